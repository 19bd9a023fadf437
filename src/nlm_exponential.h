/* Weights from the formula. In C because only `restrict`, which Cython lacks, tells the compiler that what is written is
   not the table: it then makes vectors of this loop. */
#ifndef MEDFAST_NLM_EXPONENTIAL_H
#define MEDFAST_NLM_EXPONENTIAL_H

#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER)
#define NLM_RESTRICT __restrict
#else
#define NLM_RESTRICT __restrict__
#endif

/* Weights exp(-t), t a distance or its square times `factor`. With t = j / steps - r, |r| <= 1 / 64 for 32 steps, it is
   exp(-j / steps), from the table, times exp(r), of which seven terms are exact. The last entry is 0, at t = limit. */
static void nlm_exponential(const double *NLM_RESTRICT distances, double factor, int is_squared,
                            const double *NLM_RESTRICT exponentials, double limit, double steps, ptrdiff_t n,
                            double *NLM_RESTRICT weights)
{
    ptrdiff_t x;
    const double width = 1.0 / steps;
    for (x = 0; x < n; x++) {
        double d = distances[x];
        double t = (is_squared ? d * d : d) * factor;
        double r;
        int32_t j;
        t = t < limit ? t : limit;
        j = (int32_t)(t * steps + 0.5);
        r = (double)j * width - t;
        weights[x] =
            exponentials[j] *
            (1.0 +
             r * (1.0 + r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720)))))));
    }
}

#endif
