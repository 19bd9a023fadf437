"""Non-local means of a Dask array on two processes against the call in memory on two threads: one line of figures.

    python benchmarks/lazy_arrays.py [planes] [search_size] [rounds]

A volume of int16, (planes, 1024, 1024) in chunks of 128 by 128 pixels; a round of 64 planes and a search of 7 takes
25 s on two cores. Both take turns, and of the rounds the medians count. Results are compared. What the cluster computed
stays with its workers, as it would on the way to a file; to bring it here is timed by itself.
"""

import os
import statistics
import sys
import tempfile
import time

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait

import medfast
import medfast.dask


def a_volume(n_planes: int) -> np.ndarray:
    """Waves, with noise of 20 levels."""
    rows, cols = np.mgrid[:1024, :1024]
    rng = np.random.default_rng(0)
    waves = (400 * np.sin(cols / 37) * np.cos(rows / 29 + plane / 7) for plane in range(n_planes))
    return np.stack([(wave + rng.normal(0, 20, wave.shape)).astype(np.int16) for wave in waves])


def main(n_planes: int = 64, search_size: int = 7, n_rounds: int = 2) -> None:
    """Compute both ways, compare, tell the times."""
    options = {"h": 20.0, "patch_size": 3, "search_size": search_size}
    volume = a_volume(n_planes)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "volume.npy")
        np.save(path, volume)

        def load(block_info=None):
            place = block_info[None]["array-location"]
            return np.load(path, mmap_mode="r")[tuple(slice(*each) for each in place)]

        with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
            chunks = da.core.normalize_chunks((n_planes, 128, 128), volume.shape)
            chunked = da.map_blocks(load, chunks=chunks, dtype=np.int16, meta=np.empty((0, 0, 0), np.int16))
            chunked.map_blocks(medfast.window, 0, 100, dtype=np.uint8).sum().compute()  # everything is imported
            in_memory, on_cluster, brought = [], [], []
            for _ in range(n_rounds):
                start = time.perf_counter()
                expected = medfast.denoise_nl_means(volume, num_threads=2, **options)
                in_memory.append(time.perf_counter() - start)
                start = time.perf_counter()
                lazy = medfast.dask.denoise_nl_means(chunked, **options).persist()
                wait(lazy)
                on_cluster.append(time.perf_counter() - start)
                start = time.perf_counter()
                assert (lazy.compute() == expected).all()
                brought.append(time.perf_counter() - start)
                del lazy
    memory, processes, way = (statistics.median(times) for times in (in_memory, on_cluster, brought))
    rounds = ", ".join(f"{a / b:.2f}" for a, b in zip(in_memory, on_cluster, strict=True))
    print(f"equal; in memory {memory:.1f} s, two processes {processes:.1f} s: {memory / processes:.2f} of its speed")
    print(f"of the rounds: {rounds}; brought to this process in {way:.1f} s more: {memory / (processes + way):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
