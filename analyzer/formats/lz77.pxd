# The types of lz77.py, for Cython. Bounds checks are on: a read outside of the data raises IndexError, it never happens.
cimport cython

cdef long long _SHORT, _HALF, _BYTE, _LEAST

@cython.locals(at=cython.longlong, have=cython.longlong, flags=cython.ulonglong, left=cython.int, shared=cython.longlong, word=cython.longlong, length=cython.longlong, back=cython.longlong, end=cython.longlong)
cdef long long _expand(const unsigned char[::1] data, unsigned char[::1] out, long long size, long long most) except? -2
