/* Before the C that Cython makes of a kernel: its functions can be called without the GIL, as entries.py does.

   They release the GIL around their loops, and take it again. A thread that runs code of Numba's may not have it, and one
   of `prange` must not wait for it: for those two are nothing, while the flag of the thread is set. Beside that the
   functions count a reference to None as they return, which is never taken back: from Python 3.12 on it has no count;
   before, in a race, it may miss another one, but never more than it adds. */
#ifndef MEDFAST_ENTRY_GIL_H
#define MEDFAST_ENTRY_GIL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if defined(_MSC_VER)
#define MEDFAST_EXPORT __declspec(dllexport)
static __declspec(thread) int medfast_without_gil;
#else
#define MEDFAST_EXPORT __attribute__((visibility("default")))
static __thread int medfast_without_gil;
#endif

#define PyEval_SaveThread() (medfast_without_gil ? NULL : PyEval_SaveThread())
#define PyEval_RestoreThread(state) ((state) ? PyEval_RestoreThread(state) : (void)0)

#endif
