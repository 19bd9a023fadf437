"""Matching of histograms: the table that gives an image the histogram of another.

The quantile of a level is the share of pixels up to it. A level becomes the one that has the same quantile in the
reference, linearly between the two levels in use whose quantiles enclose it, and the lowest one for smaller quantiles.
Both quantiles rise, so one walk through both histograms is enough. Arithmetic and order are those of NumPy's `interp`.
"""
from libc.math cimport rint
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t

ctypedef fused integer:
    uint8_t
    uint16_t
    int16_t


def table(const int64_t[::1] counts,            # IN   pixels per level of the image, at least one
          const int64_t[::1] reference_counts,  # IN   pixels per level of the reference, at least one
          int64_t reference_lowest,             # IN   its lowest level
          int64_t least,                        # IN   lowest and highest level of the result
          int64_t most,
          integer[::1] levels):                 # OUT  new level per level of the image, rounded half to even
    """Find the level of equal quantile in the reference for each level of the image."""
    cdef:
        Py_ssize_t n_levels = counts.shape[0], n_reference = reference_counts.shape[0], level, upper = 0, lower = -1
        int64_t total = 0, reference_total = 0, running = 0, reference_running = 0
        double quantile, at_lower = 0.0, at_upper, found
    with nogil:
        for level in range(n_levels):
            total += counts[level]
        for level in range(n_reference):
            reference_total += reference_counts[level]
        while reference_counts[upper] == 0:
            upper += 1
        reference_running = reference_counts[upper]
        at_upper = <double> reference_running / <double> reference_total
        for level in range(n_levels):
            running += counts[level]
            quantile = <double> running / <double> total
            while upper < n_reference and at_upper <= quantile:
                lower = upper
                at_lower = at_upper
                upper += 1
                while upper < n_reference and reference_counts[upper] == 0:
                    upper += 1
                if upper < n_reference:
                    reference_running += reference_counts[upper]
                    at_upper = <double> reference_running / <double> reference_total
            if lower < 0:
                found = <double> (upper + reference_lowest)
            else:
                found = <double> (lower + reference_lowest)
                if upper < n_reference and at_lower != quantile:
                    found = <double> (upper - lower) / (at_upper - at_lower) * (quantile - at_lower) + found
            levels[level] = <integer> <int64_t> min(max(rint(found), <double> least), <double> most)
