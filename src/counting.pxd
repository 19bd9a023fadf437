"""What `histogram.h` offers to whoever counts pixels."""
from libc.stdint cimport uint8_t, uint32_t

cdef extern from "histogram.h" nogil:
    enum: MEDFAST_SUBTABLES
    enum: MEDFAST_PAIRS
    enum: MEDFAST_LEAST_FOR_PAIRS
    void medfast_count_u8(const uint8_t *line, Py_ssize_t n, uint32_t *subtables)
    void medfast_count_line_u8(const uint8_t *line, Py_ssize_t n, Py_ssize_t ahead, uint8_t *pairs,
                               uint32_t *subtables)
    void medfast_gather_pairs(const uint8_t *pairs, uint32_t *counts)
