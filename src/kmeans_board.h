/* A board on which several calls find the tiles of a pass, one of which leads: it alone goes from pass to pass.

   To hand a pass to a sleeping thread takes 30 to 60 us, a pass over 100 000 samples 100: so the calls last as long as
   the run of Lloyd's algorithm, and look for tiles themselves. Each worker has tiles of its own, an equal share, which
   it takes first, so that they stay in its caches; then it helps the others. It takes them in turn from the front
   and from the back, pass by pass: what was used last is still in the cache (100 000 x 8 of float32, twice the cache:
   half of the samples).

   Which worker does a tile has no influence on any result: sums stand in the entry of the tile. */
#ifndef MEDFAST_KMEANS_BOARD_H
#define MEDFAST_KMEANS_BOARD_H

#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#if defined(_M_X64)
#define km_pause() _mm_pause()
#else
#define km_pause() __yield()
#endif
__declspec(dllimport) int __stdcall SwitchToThread(void);
#define km_give_way() (void)SwitchToThread()
#define km_get(at) _InterlockedOr64((volatile __int64 *)(at), 0)
#define km_put(at, value) _InterlockedExchange64((volatile __int64 *)(at), (value))
#define km_get_and_add(at, value) _InterlockedExchangeAdd64((volatile __int64 *)(at), (value))
#else
#include <time.h>
#if defined(__x86_64__)
#define km_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define km_pause() __asm__ volatile("yield")
#else
#define km_pause() (void)0
#endif
#define km_give_way() (void)nanosleep(&(const struct timespec){0, 20000}, NULL)
#define km_get(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
#define km_put(at, value) __atomic_store_n(at, value, __ATOMIC_RELEASE)
#define km_get_and_add(at, value) __atomic_fetch_add(at, value, __ATOMIC_ACQ_REL)
#endif

enum {
    /* Looks before other threads are given way to: 50 to 100 us, more than it takes to wait for a tile on a machine
       with nothing else to do. Then it sleeps. Rejected: to yield early, which hands a whole time slice, 4 ms, to
       whatever else there is, be it of the idle class (beside five busy processes, a run took 18 ms in place of 7). */
    KM_PATIENCE = 2500,
    /* Lines of the board, each for itself in the caches. The first is written by whoever has done a tile, the second by
       the leader, and then each worker has a line with what was taken of its tiles. */
    KM_DONE = 0,
    KM_STATE = 1,
    KM_TAKEN = 2,
    /* of the line of the state */
    KM_TASK = 0,    /* what is done with a tile */
    KM_STATUS = 1,
    KM_PASS_ = 2,   /* number of the pass */
    KM_CURRENT = 3, /* which centers are those of the pass */
    KM_N_CHANGED = 4,
    KM_N_PASSES = 5, /* so far, of those that may be */
    KM_MOST_PASSES = 6,
    KM_FARTHEST = 7, /* whether centers have moved by how far the farthest has; else by the sum of all squares */
    /* tasks */
    KM_LEAVE = 0,
    KM_LABEL = 1,   /* labels, and sums if they are kept */
    KM_ITERATE = 2, /* the same, then new centers and again */
    KM_INERTIA = 3,
    /* status */
    KM_ASKED = 0,
    KM_RUNNING = 1,
    KM_FINISHED = 2, /* a single pass; no label changed; centers moved no farther than allowed; as many as may be */
    KM_EMPTY = 3     /* a cluster has no samples: the driver says what becomes of it */
};

/* The next pass: its tiles are there to be taken. */
static void km_open_pass(int64_t *board, ptrdiff_t width, ptrdiff_t n_workers)
{
    int64_t number = ++board[KM_STATE * width + KM_PASS_];
    board[KM_DONE * width] = 0;
    for (ptrdiff_t worker = 0; worker < n_workers; worker++)
        km_put(&board[(KM_TAKEN + worker) * width], number << 32);
}

/* Take a tile; returns the number of the pass, or -1 where none is left. */
static int64_t km_take_tile(int64_t *board, ptrdiff_t width, ptrdiff_t n_workers, ptrdiff_t worker, ptrdiff_t n_tiles,
                            ptrdiff_t *tile)
{
    for (ptrdiff_t i = 0; i < n_workers; i++) {
        ptrdiff_t owner = (worker + i) % n_workers;
        ptrdiff_t first = owner * n_tiles / n_workers, last = (owner + 1) * n_tiles / n_workers;
        int64_t *taken = &board[(KM_TAKEN + owner) * width];
        int64_t found = km_get(taken);
        if ((found & 0xFFFFFFFF) >= last - first || found < 0)
            continue;
        found = km_get_and_add(taken, 1); /* maybe of a later pass */
        if ((found & 0xFFFFFFFF) >= last - first)
            continue;
        *tile = (ptrdiff_t)(found & 0xFFFFFFFF);
        *tile = (found >> 32) & 1 ? first + *tile : last - 1 - *tile;
        return found >> 32;
    }
    return -1;
}

static void km_tile_done(int64_t *board, ptrdiff_t width)
{
    (void)km_get_and_add(&board[KM_DONE * width], 1);
}

/* Wait a little; `looks` counts how often. */
static void km_wait(int *looks)
{
    if (++*looks <= KM_PATIENCE)
        km_pause();
    else
        km_give_way();
}

#endif
