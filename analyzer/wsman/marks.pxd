# The types of marks.py, for Cython. Bounds checks are on: a read outside of the text raises IndexError, it never happens.
cimport cython

ctypedef unsigned char u8
ctypedef long long i64

cdef dict _WORDS
cdef bytes _FOLDED, _KINDS

cpdef object read_marks(str text)
@cython.locals(places=dict, has_dtd=bint, end=i64, at=i64, begin=i64, i=i64)
cdef object _marks(bytes data, const u8[::1] view, const u8[::1] kinds)
@cython.locals(end=i64, i=i64, known=list)
cdef i64 _put(dict places, bytes data, const u8[::1] view, const u8[::1] kinds, i64 begin, i64 at) except -1
