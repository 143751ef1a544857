# The types of reader.py, for Cython. Bounds checks are on: a read outside of an array raises IndexError, it never happens.
cimport cython

ctypedef long long i64

cdef i64 _LEAST, _MOST, _NEAR, _APART


@cython.final
cdef class Reader:
    cdef public i64 at
    cdef readonly object stream
    cdef readonly bytes window
    cdef readonly i64 window_at
    cdef bint _closed
    cdef i64 _ahead, _count
    cdef object _fetch
    cdef const i64[::1] _starts, _sizes, _sources, _places, _keys, _times, _acked

    @cython.locals(low=i64, high=i64, middle=i64)
    cdef Py_ssize_t _begun(self, i64 at) except -1
    @cython.locals(i=i64)
    cpdef Py_ssize_t index(self, i64 at) except -2
    @cython.locals(end=i64)
    cpdef bint holds(self, i64 at, i64 size) except -1
    cpdef bint reads_on(self, i64 at, i64 size) except -1
    @cython.locals(goes_on=bint, wanted=i64)
    cpdef object look(self, i64 at, i64 size, i64 least=*)
    @cython.locals(at=i64)
    cpdef bytes peek(self, i64 size)
    @cython.locals(size=i64)
    cpdef bytes read(self, i64 start, i64 end)
    @cython.locals(i=i64, count=i64, parts=list, skip=i64, begin=i64, place=i64, here=i64, last=i64, stop=i64, size=i64, piece=i64, taken=i64, data=bytes)
    cdef bytes _gathered(self, i64 at, i64 end)
    @cython.locals(origin=i64, size=i64, taken=i64, i=i64, begin=i64, piece=i64, stop=i64)
    cdef Py_ssize_t _taken(self, list parts, bytes data, i64 first, i64 last, i64 skip, i64 most) except -1
    @cython.locals(data=bytes)
    cpdef bytes take(self, i64 size)
    @cython.locals(size=i64, data=bytes, found=i64)
    cpdef bytes until(self, bytes end, i64 limit)
    @cython.locals(first=i64, last=i64, i=i64, there=i64)
    cpdef Py_ssize_t missing(self, i64 start, i64 end) except? -1
    @cython.locals(first=i64, last=i64)
    cdef Py_ssize_t _from(self, i64 start, i64 end) except -1
    @cython.locals(last=i64)
    cdef Py_ssize_t _upto(self, i64 first, i64 end) except -1
    @cython.locals(first=i64, last=i64, i=i64, found=list, begun=i64, ended=i64, before=i64, ordered=bint, first_ns=object, last_ns=object)
    cpdef object place(self, i64 start, i64 end)
    @cython.locals(i=i64)
    cpdef object near_packet(self, i64 at)
    @cython.locals(i=i64)
    cpdef Py_ssize_t acked(self, i64 at) except? -1
    @cython.locals(i=i64)
    cpdef object next_data(self, i64 at)
