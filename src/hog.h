/* The arithmetic of src/hog.pyx on rows, for float and double.

   In C for the sake of `restrict`, of literals in the type at hand and of vectors as types, without which gcc 12 keeps
   most of these loops scalar: against OpenCV 4.14, 512 x 512 with 9 bins took 1.3 times as long in Cython and takes
   0.2 times as long from here (x86_64_v4). No intrinsics.

   Where that time goes (x86_64_v4): into histograms 49 %, votes 24 %, blocks and their norms 16 %, lines and gradients
   9 %. Tried: a plane per bin and sums over columns by phase, row by row, 1.4 times as long; 512 or 2048 pixels with
   their votes at once, 1.2 and 1.1 times as long as 1024 (x86_64_v4; 512 are 0.9 of it at x86_64_v3). */
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

/* Types of pixels. */
enum { MEDFAST_HOG_UINT8, MEDFAST_HOG_UINT16, MEDFAST_HOG_INT16, MEDFAST_HOG_FLOAT, MEDFAST_HOG_DOUBLE };

/* (images, rows, cols, channels); strides in bytes. */
typedef struct {
    const char *data;
    const ptrdiff_t *strides;
    int type;
} medfast_hog_image;

/* (images, values of one); strides in bytes. */
typedef struct {
    char *data;
    const ptrdiff_t *strides;
} medfast_hog_out;

/* What the rows of an image go through is fixed for an image: the words that medfast/_drivers/hog_plan.py writes, in
   this order. Other kernels fill in what they use. */
typedef struct {
    int64_t n_channels, line_size, n_lines; /* values from channel to channel of a line; lines that are kept */
    int64_t run_start, run_stop;            /* columns that follow each other in the image */
    int64_t n_rows, n_columns;              /* how many have their place in the image in the words that follow */
    int64_t gamma, ties_high_from, narrow;  /* square roots; column; as OpenCV does with lines of less than 16 pixels */
    int64_t n_bins, is_signed, soft, norm;
    int64_t n_lanes;                        /* cells of all open blocks, or rows of these; padded */
    int64_t size;                           /* of a histogram with its lanes: (n_bins + 1) * n_lanes, padded */
    int64_t row_stride, stride, block_height;
    int64_t n_groups;                       /* strides that the columns of all blocks take */
    int64_t part_groups, tile_groups;       /* how many have their votes found at once, and taken at once */
    int64_t tile_size, n_at_once;           /* columns, padded, and rows whose votes are found at once */
    int64_t strides_at_once;                /* as many as these rows make, or one */
    int64_t n_open_rows, n_open_cols, n_cell_rows, n_cells, n_block_rows, n_blocks; /* cells: along a row of a block */
    int64_t n_padded;                       /* values of a block, padded */
    int64_t by_squares;                     /* hog_squares.h, not hog_rows.h */
    int64_t at_values, at_scales, at_votes, vote_room, at_sums, at_totals, sums_to_clear; /* in `work` */
    int64_t out_strides[5]; /* values from block row to block row, to block column, cell row, cell column, bin */
    const int32_t *base; /* where a column has its bin 0 among the histograms that votes are added to */
} medfast_hog_plan;

#define MEDFAST_HOG_PLAN_SIZE (ptrdiff_t)(offsetof(medfast_hog_plan, base) / sizeof(int64_t))

/* A table of gradients of bytes has a row for each dy from -256 on, with a place for each dx from there on. */
enum {
    MEDFAST_HOG_TABLE_WIDTH = 512,
    MEDFAST_HOG_TABLE_SIZE = 512 * 512,
    MEDFAST_HOG_TABLE_MIDDLE = 512 * 512 / 2 + 512 / 2
};

/* Whether blocks are faster with such a table: 512 x 512 take 0.7 of the time at x86_64_v2, 0.92 at x86_64_v3, but
   1.07 at x86_64_v4, where votes are found as fast as memory gives them. Histograms of cells take 0.68 of the time at
   x86_64_v4 with the table in a cache, but 1.1 where other work pushes it out between calls. */
#ifdef __AVX512F__
enum { MEDFAST_HOG_BLOCKS_LOOK_UP = 0 };
#else
enum { MEDFAST_HOG_BLOCKS_LOOK_UP = 1 };
#endif

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
#include "hog_degrees.h"
#include "hog_look_up.h"
#include "hog_blocks.h"
#include "hog_rows.h"
#include "hog_squares.h"
#include "hog_describe.h"
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
#include "hog_degrees.h"
#include "hog_look_up.h"
#include "hog_blocks.h"
#include "hog_rows.h"
#include "hog_squares.h"
#include "hog_describe.h"
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

/* For either type, as src/hog.pyx calls them. */
static void medfast_hog_describe(int is_double, const int64_t *plan, const void *tables, const medfast_hog_image *image,
                                 const void *shares, ptrdiff_t start, ptrdiff_t stop, void *work,
                                 const medfast_hog_out *out)
{
    if (is_double)
        medfast_hog_describe_double(plan, tables, image, shares, start, stop, work, out);
    else
        medfast_hog_describe_float(plan, tables, image, shares, start, stop, work, out);
}

static void medfast_hog_tabulate(int is_double, const medfast_hog_plan *p, const void *edges, const int64_t *special,
                                 int single, medfast_hog_doubts *doubts, void *work, int32_t *places, void *shares)
{
    const size_t n = MEDFAST_HOG_TABLE_SIZE * (p->soft ? 2 : 1);
    if (is_double)
        medfast_hog_tabulate_double(p, edges, special, single, doubts, work, places, shares,
                                    (uint16_t *)((double *)shares + n));
    else
        medfast_hog_tabulate_float(p, edges, special, single, doubts, work, places, shares,
                                   (uint16_t *)((float *)shares + n));
}

static void medfast_hog_load_row(int is_double, const medfast_hog_plan *p, const medfast_hog_image *image,
                                 ptrdiff_t item, ptrdiff_t image_row, const int64_t *column_of, ptrdiff_t row,
                                 void *lines)
{
    if (is_double)
        medfast_hog_load_row_double(p, image, item, image_row, column_of, row, lines);
    else
        medfast_hog_load_row_float(p, image, item, image_row, column_of, row, lines);
}

static void medfast_hog_add_cells(int is_double, const medfast_hog_plan *p, const void *lines, ptrdiff_t row,
                                  const void *edges, const int64_t *special, int single, int is_float,
                                  medfast_hog_doubts *doubts, const void *shares, void *work, int32_t *places,
                                  void *histograms)
{
    if (is_double)
        medfast_hog_add_cells_double(p, lines, row, edges, special, single, is_float, doubts, shares, work, places,
                                     histograms);
    else
        medfast_hog_add_cells_float(p, lines, row, edges, special, single, is_float, doubts, shares, work, places,
                                    histograms);
}

static void medfast_hog_normalize(int is_double, void *values, const ptrdiff_t *n, ptrdiff_t n_padded, int rows_first,
                                  int norm, const void *constants, void *scales, char *to, const ptrdiff_t *strides,
                                  int to_double)
{
    if (is_double)
        medfast_hog_normalize_double(values, n, n_padded, rows_first, norm, constants, scales, to, strides, to_double);
    else
        medfast_hog_normalize_float(values, n, n_padded, rows_first, norm, constants, scales, to, strides, to_double);
}

#define MEDFAST_HOG_VECTORS (MEDFAST_HOG_LANES * sizeof(float) / sizeof(medfast_hog_floats))

/* The products of `m` windows' blocks with a detector, (n_rows, n) with n a multiple of LANES: in sixteen sums,
   these in double. Several windows share what is loaded of the detector, and no sum waits for the one before. */
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
    if (window < n_windows && n_windows >= AT_ONCE) { /* some once more: one by one, each sum waits for itself */
        window = n_windows - AT_ONCE;
        medfast_hog_score_some(blocks + window * step, step, row_size, detector, n_rows, n, AT_ONCE, rho, out + window);
        return;
    }
#endif
    for (; window < n_windows; window++)
        medfast_hog_score_some(blocks + window * step, step, row_size, detector, n_rows, n, 1, rho, out + window);
}

#endif
