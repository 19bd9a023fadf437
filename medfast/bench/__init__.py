"""Benchmarks: medfast beside the libraries whose results it gives, compared before they are timed.

`cases` says what is measured, and what counts as the same result. `ours` and the files named after a library do
the same work under the same function names, one file per library. `runner` measures, `table` and `plot` show. Nothing
here needs a file: the images are drawn.
"""
