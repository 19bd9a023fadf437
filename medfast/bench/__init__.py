"""Benchmarks: medfast beside the libraries whose results it gives, compared before they are timed.

`cases` says what is measured, and what counts as the same result. `ours`, `opencv`, `skimage`, `sklearn`, `dipy` and
`pydicom` do the same work under the same function names, one file per library. `runner` measures, `table` and `plot`
show. Nothing here needs a file: the images are drawn.
"""
