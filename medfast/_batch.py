"""Many images at once: threads across images rather than inside them."""

from collections.abc import Callable
from typing import Any

from medfast import _parallel


def for_batches(
    n_images: int,
    body: Callable[[int, int, int | None], Any],
    *,
    work_per_image: float,
    num_threads: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> None:
    """Call ``body(start, stop, threads)`` for batches of images, with the threads that its own calls may use.

    Enough images keep every thread busy with whole ones, which costs no hand-over inside an image. Fewer images than
    threads are done one after another, each on all threads. Either way an image's result is the same.

    Parameters
    ----------
    n_images : int
        Images.
    body : callable
        Does the images from `start` to `stop`; may be called from several threads at once.
    work_per_image : float
        Elementary steps that an image takes, about a nanosecond each.
    num_threads : int, optional
        Bound for this call.
    progress : callable, optional
        Called as ``progress(images_done, n_images)`` in the calling thread.
    """
    if n_images < _parallel.resolve(num_threads):
        for i in range(n_images):
            body(i, i + 1, num_threads)
            if progress is not None:
                progress(i + 1, n_images)
        return

    def tile(start: int, stop: int) -> None:
        body(start, stop, 1)

    _parallel.for_rows(n_images, tile, work_per_row=work_per_image, num_threads=num_threads, progress=progress)


def for_images(n_images: int, body: Callable[[int, int | None], Any], **how: Any) -> None:
    """Call ``body(i, threads)`` for each image; the rest is as for `for_batches`."""

    def batch(start: int, stop: int, threads: int | None) -> None:
        for i in range(start, stop):
            body(i, threads)

    for_batches(n_images, batch, **how)
