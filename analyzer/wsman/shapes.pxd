# The types of shapes.py, for Cython. Bounds checks are on: a read outside of the text raises IndexError, it never happens.
cimport cython

ctypedef long long i64

cdef dict _KINDS, _SAME
cdef tuple _TEXTS, _IDS
cdef bytes _PLAIN, _IN_LINES, _HEX, _LOOKED_AT, _BEGINS
cdef i64 _ID, _TEXT, _LONGEST, _MOST_IDS, _MOST_TEXTS, _MOST_SHAPE, _LONGEST_ADDRESS, _MOST_SAME


@cython.locals(end=i64, i=i64, last=i64, tag=i64, quote=i64, code=i64, kind=i64, stop=i64, number=i64, inside=bint, parts=list, ids=list, known=list, folded=list, texts=list,
    shape=bytes)
cpdef object cut(bytes data)
@cython.locals(end=i64, at=i64, code=i64, stop=i64, k=i64, ids=list, known=list, folded=list, texts=list, piece=bytes, value=bytes)
cpdef object fit(bytes data, tuple pieces, bytes places)
@cython.locals(i=i64, local=i64, size=i64)
cdef i64 _kind(bytes data, i64 begin, i64 end) except -2
cdef bint _is_plain(bytes value, i64 kind) except -1
@cython.locals(i=i64)
cdef bint _is_id(bytes data, i64 at, i64 end) except -1
@cython.locals(i=i64, low=bytes)
cdef i64 _number(list ids, list known, list folded, bytes own) except -2


@cython.locals(known=str)
cpdef str same(str text)


@cython.final
cdef class Form:
    cdef object kind
    cdef list fields, ids, upper, texts, around, others
    cdef i64 last

    @cython.locals(fields=list, i=i64, at=i64, number=i64, before=str, after=str, form=Form)
    cpdef object made(self, tuple own, object last, list ids, object texts)


@cython.final
cdef class Forms:
    cdef Form message, operation, cim
    cdef object said

    @cython.locals(about=tuple)
    cpdef tuple made(self, tuple own, object digest, tuple place, list ids, object texts)
