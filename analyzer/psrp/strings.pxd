# The types of strings.py, for Cython. Bounds checks are on: a read outside of the data raises IndexError, it never happens.
cimport cython

ctypedef unsigned char u8
ctypedef unsigned long long u64
ctypedef long long i64

cdef bint COMPILED
cdef i64 _FRAGMENT, _MESSAGE, _LEAST, _MOST

@cython.locals(size=i64, i=i64)
cdef i64 _size(const u8[::1] view, i64 at) except -1
@cython.locals(i=i64, stop=i64, begin=i64)
cdef i64 _opens(const u8[::1] view, i64 at, i64 end) except -1
@cython.locals(i=i64)
cdef int _plain(bytes data, const u8[::1] view, i64 begin, i64 end) except -1
cpdef object strings(bytes data, i64 at, object known)
@cython.locals(end=i64, first=i64, room=i64, to_ends=u64[::1], to_sizes=u64[::1], texts=list, some=bint, count=i64, total=i64, begin=i64, i=i64, size=i64, stop=i64)
cdef object _strings(bytes data, const u8[::1] view, i64 at, object known)
