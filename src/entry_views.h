/* After the C that Cython makes of a kernel: its memory views, from addresses, shapes and strides. See entries.py. */
#ifndef MEDFAST_ENTRY_VIEWS_H
#define MEDFAST_ENTRY_VIEWS_H

#include <string.h>

typedef struct {
    const char *name; /* "kernel.function(types)" */
    int64_t (*call)(const int64_t *words);
} medfast_entry;

/* The next array: address, shape, strides in bytes. Address 0 stands for None. */
static inline __Pyx_memviewslice medfast_view(const int64_t **words, int n_axes) {
    __Pyx_memviewslice view;
    view.data = (char *)(uintptr_t)(*words)[0];
    view.memview = view.data ? NULL : (struct __pyx_memoryview_obj *)Py_None; /* NULL: nobody counts references */
    for (int axis = 0; axis < n_axes; axis++) {
        view.shape[axis] = (Py_ssize_t)(*words)[1 + axis];
        view.strides[axis] = (Py_ssize_t)(*words)[1 + n_axes + axis];
        view.suboffsets[axis] = -1;
    }
    *words += 1 + 2 * n_axes;
    return view;
}

/* The next number, which is no integer. */
static inline double medfast_real(const int64_t **words) {
    double value;
    memcpy(&value, (*words)++, sizeof(value));
    return value;
}

#endif
