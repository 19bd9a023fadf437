/* The arithmetic of src/hog.pyx on rows, for float and double.

   In C for the sake of `restrict`, of literals in the type at hand and of vectors as types, without which gcc 12 keeps
   most of these loops scalar: against OpenCV 4.14, 512 x 512 with 9 bins took 1.3 times as long in Cython and takes 0.25
   times as long from here (x86_64_v4). No intrinsics.

   Where that time goes (x86_64_v4): votes 20 %, into columns 19 %, columns into blocks 20 %, norms and their sums 13 %.
   Tried: a plane per bin and sums over columns by phase, row by row, 1.4 times as long; columns' histograms of 64 to 512
   columns, the same time up to 128. */
#ifndef MEDFAST_HOG_H
#define MEDFAST_HOG_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#define MEDFAST_RESTRICT __restrict
#else
#define MEDFAST_RESTRICT restrict
#endif

/* Before a loop over lanes: gcc unrolls it completely before it would make it a vector. */
#if defined(__GNUC__) && !defined(__clang__)
#define MEDFAST_ACROSS _Pragma("GCC unroll 1")
#define MEDFAST_BY_FOURS _Pragma("GCC unroll 4")
#else
#define MEDFAST_ACROSS
#define MEDFAST_BY_FOURS
#endif

/* A loop that has no register to share with whatever is around it. */
#ifdef __GNUC__
#define MEDFAST_ALONE __attribute__((noinline))
#else
#define MEDFAST_ALONE
#endif

/* Values handled side by side: one register of 512 bits, several of the narrower ones. Columns and values of blocks are
   padded to a multiple of this. */
#define MEDFAST_HOG_LANES 16
#define MEDFAST_UP(n) (((n) + MEDFAST_HOG_LANES - 1) & -MEDFAST_HOG_LANES)
#define MEDFAST_LEAST(a, b) ((a) < (b) ? (a) : (b))

/* Bytes of a vector of the level at hand. Where the compiler has no vectors as types, one is a single value. */
#if !defined(__GNUC__)
#define MEDFAST_VECTOR(type) type
#elif defined(__AVX512F__)
#define MEDFAST_VECTOR(type) type __attribute__((vector_size(64), aligned(sizeof(type)), may_alias))
#elif defined(__AVX2__)
#define MEDFAST_VECTOR(type) type __attribute__((vector_size(32), aligned(sizeof(type)), may_alias))
#else
#define MEDFAST_VECTOR(type) type __attribute__((vector_size(16), aligned(sizeof(type)), may_alias))
#endif

typedef MEDFAST_VECTOR(float) medfast_hog_floats;
typedef MEDFAST_VECTOR(double) medfast_hog_doubles;
#ifdef __GNUC__
typedef float medfast_hog_8_floats __attribute__((vector_size(32), aligned(4), may_alias));
typedef double medfast_hog_8_doubles __attribute__((vector_size(64), aligned(8), may_alias));
typedef float medfast_hog_4_floats __attribute__((vector_size(16), aligned(4), may_alias));
typedef double medfast_hog_4_doubles __attribute__((vector_size(32), aligned(8), may_alias));
typedef int32_t medfast_hog_4_ints __attribute__((vector_size(16)));
typedef int64_t medfast_hog_4_longs __attribute__((vector_size(32)));
#endif

/* a * b + c, rounded once; in double where there is no instruction. That gives the same bits in the polynomial of the
   arctangent: tried for all of its arguments, the 1 065 353 217 floats from 0 to 1. */
#if defined(__GNUC__) && (defined(__FMA__) || defined(__ARM_FEATURE_FMA))
#define MEDFAST_HOG_FUSED_FLOAT(a, b, c) __builtin_fmaf(a, b, c)
#else
#define MEDFAST_HOG_FUSED_FLOAT(a, b, c) ((float)((double)(a) * (b) + (c)))
#endif
/* Double has nothing to agree with. */
#define MEDFAST_HOG_FUSED_DOUBLE(a, b, c) ((a) * (b) + (c))

enum { MEDFAST_HOG_L1, MEDFAST_HOG_L1_SQRT, MEDFAST_HOG_L2, MEDFAST_HOG_L2_HYS };

/* What the rows of an image go through is fixed for an image. */
typedef struct {
    ptrdiff_t n_channels, line_size, n_lines; /* values from channel to channel of a line; lines that are kept */
    ptrdiff_t ties_high_from;                 /* column */
    ptrdiff_t n_bins, is_signed, soft, narrow;
    ptrdiff_t n_lanes;                        /* rows of cells of all open blocks: 4 or a multiple of 8 */
    ptrdiff_t size;                           /* of a histogram with its lanes: (n_bins + 1) * n_lanes, padded */
    ptrdiff_t stride, n_groups;               /* columns from block to block, and how many such groups */
    ptrdiff_t part_groups, tile_groups;       /* how many have their votes found at once, and taken at once */
    ptrdiff_t tile_size, n_at_once;           /* columns, padded, and rows whose votes are found at once */
    ptrdiff_t n_open_cols, n_cells;           /* groups and cells of a block, along a row */
    ptrdiff_t n_cell_rows, n_blocks, n_padded; /* values of a block, padded */
    const int32_t *base; /* (tile_size) where a column has its bin 0 among the histograms that votes are added to */
    const int64_t *taps; /* (n_open_cols, n_cells, 2) columns of a group that weigh something in a cell: begin, end */
} medfast_hog_plan;

/* Directions of which the caller decides in which bin they are. */
typedef struct {
    ptrdiff_t n, most;
    double *asked;          /* (most, 2) dy, dx */
    const int64_t *answers; /* their bins, or null while they are asked for */
} medfast_hog_doubts;

#define REAL float
#define VECTOR medfast_hog_floats
#ifdef __GNUC__
#define OCTET medfast_hog_8_floats
#define QUARTET medfast_hog_4_floats
#define QUARTET_INDEX medfast_hog_4_ints
#endif
#define NAME(function) medfast_hog_##function##_float
#define FUSED MEDFAST_HOG_FUSED_FLOAT
#define SQRT sqrtf
#define ABS fabsf
#include "hog_votes.h"
#include "hog_rows.h"
#include "hog_blocks.h"
#include "hog_cells.h"
#undef REAL
#undef VECTOR
#undef OCTET
#undef QUARTET
#undef QUARTET_INDEX
#undef NAME
#undef FUSED
#undef SQRT
#undef ABS

#define REAL double
#define VECTOR medfast_hog_doubles
#ifdef __GNUC__
#define OCTET medfast_hog_8_doubles
#define QUARTET medfast_hog_4_doubles
#define QUARTET_INDEX medfast_hog_4_longs
#endif
#define NAME(function) medfast_hog_##function##_double
#define FUSED MEDFAST_HOG_FUSED_DOUBLE
#define SQRT sqrt
#define ABS fabs
#include "hog_votes.h"
#include "hog_rows.h"
#include "hog_blocks.h"
#include "hog_cells.h"
#undef REAL
#undef VECTOR
#undef OCTET
#undef QUARTET
#undef QUARTET_INDEX
#undef NAME
#undef FUSED
#undef SQRT
#undef ABS

#define MEDFAST_HOG_VECTORS (MEDFAST_HOG_LANES * sizeof(float) / sizeof(medfast_hog_floats))

/* The products of `m` windows' blocks with a detector, (n_rows, n) with n a multiple of LANES: in sixteen sums, these in
   double. Several windows share what is loaded of the detector, and no sum waits for the one before. */
static inline void medfast_hog_score_some(const float *blocks, ptrdiff_t step, ptrdiff_t row_size,
                                          const float *detector, ptrdiff_t n_rows, ptrdiff_t n, const int m, double rho,
                                          double *out)
{
    medfast_hog_floats sums[MEDFAST_HOG_LANES];
    ptrdiff_t row, i, lane, half;
    int window, k;

    for (i = 0; i < m * (int)MEDFAST_HOG_VECTORS; i++)
        sums[i] = (medfast_hog_floats){0};
    for (row = 0; row < n_rows; row++, blocks += row_size, detector += n)
        for (i = 0; i < n; i += MEDFAST_HOG_LANES)
            for (k = 0; k < (int)MEDFAST_HOG_VECTORS; k++) {
                const medfast_hog_floats part = ((const medfast_hog_floats *)(detector + i))[k];
                for (window = 0; window < m; window++)
                    sums[window * (int)MEDFAST_HOG_VECTORS + k] +=
                        ((const medfast_hog_floats *)(blocks + window * step + i))[k] * part;
            }
    for (window = 0; window < m; window++) {
        double totals[MEDFAST_HOG_LANES];
        float parts[MEDFAST_HOG_LANES];
        memcpy(parts, sums + window * (int)MEDFAST_HOG_VECTORS, sizeof parts);
        for (lane = 0; lane < MEDFAST_HOG_LANES; lane++)
            totals[lane] = (double)parts[lane];
        for (half = MEDFAST_HOG_LANES / 2; half > 0; half /= 2)
            for (lane = 0; lane < half; lane++)
                totals[lane] += totals[lane + half];
        out[window] = rho + totals[0];
    }
}

static void medfast_hog_score(const float *blocks, ptrdiff_t step, ptrdiff_t row_size, const float *detector,
                              ptrdiff_t n_rows, ptrdiff_t n, double rho, ptrdiff_t n_windows, double *out)
{
    enum { AT_ONCE = MEDFAST_HOG_VECTORS < 8 ? 8 / MEDFAST_HOG_VECTORS : 1 };
    ptrdiff_t window = 0;

#ifdef __GNUC__
    for (; window + AT_ONCE <= n_windows; window += AT_ONCE)
        medfast_hog_score_some(blocks + window * step, step, row_size, detector, n_rows, n, AT_ONCE, rho, out + window);
#endif
    for (; window < n_windows; window++)
        medfast_hog_score_some(blocks + window * step, step, row_size, detector, n_rows, n, 1, rho, out + window);
}

#endif
