# The types of columns.py, for Cython. Bounds checks are on: a read outside of an array raises IndexError, it never happens.
cimport cython

ctypedef long long i64

cdef i64 _FIN, _SYN, _RST, _ACK, _HALF, _MASK, _NEAR, _WINDOW, _AGAIN, _BACK
cdef object _ZERO

@cython.locals(directions=i64[::1], seqs=i64[::1], acks=i64[::1], sizes=i64[::1], side=i64, begun=bint, seq=i64, ack=i64, size=i64, moved=i64, i=Py_ssize_t, step=i64, again=list)
cpdef bint no_copies(object rows, i64 window_ns) except -1
@cython.locals(directions=i64[::1], seqs=i64[::1], acks=i64[::1], sizes=i64[::1], flags=i64[::1], idents=i64[::1], times=i64[::1], i=Py_ssize_t, same=bint)
cdef bint _is_new(object rows, Py_ssize_t row, i64 window_ns) except -1
@cython.locals(directions=i64[::1], seqs=i64[::1], flags=i64[::1], sizes=i64[::1], side=i64, begun=bint, at=i64, i=Py_ssize_t, k=Py_ssize_t, away=i64)
cpdef bint all_in_place(object rows, const i64[::1] kept) except -1
@cython.locals(i=Py_ssize_t)
cpdef list flagged(const i64[::1] column, const i64[::1] kept, i64 mask)
@cython.locals(least=i64, most=i64, one=i64, i=Py_ssize_t)
cpdef tuple span_of(const i64[::1] column, const i64[::1] kept)
@cython.locals(i=Py_ssize_t)
cpdef list long_steps(const i64[::1] column, const i64[::1] kept, i64 least)
@cython.locals(to=i64[::1], i=Py_ssize_t)
cpdef object taken(const i64[::1] column, const i64[::1] kept)
cpdef list columns_of(object rows, object own)
@cython.locals(directions=i64[::1], flags=i64[::1], found_ttls=i64[::1], side=i64, before=i64, some=bint, own=list, found=tuple, i=Py_ssize_t)
cpdef tuple hops(object rows)
@cython.locals(directions=i64[::1], flags=i64[::1], to=i64[::1], count=Py_ssize_t, i=Py_ssize_t, k=i64)
cpdef object of_side(object rows, const i64[::1] kept, i64 side)
@cython.locals(seqs=i64[::1], flags=i64[::1], sizes=i64[::1], wire_sizes=i64[::1], to_rows=i64[::1], to_places=i64[::1], count=Py_ssize_t,
               furthest=i64, fin_at=i64, done=Py_ssize_t, i=Py_ssize_t, k=Py_ssize_t, size=i64, seq=i64, at=i64)
cpdef tuple in_order(object rows, const i64[::1] own, i64 base, i64 window)
@cython.locals(to=i64[::1], position=i64, at=i64, i=Py_ssize_t)
cpdef object positions(const i64[::1] acks, i64 base)
@cython.locals(acks=i64[::1], best=i64, position=i64, before=i64, ack=i64, at=i64, i=Py_ssize_t)
cpdef object furthest_acked(object rows, const i64[::1] said, i64 base, i64 furthest)
@cython.locals(found=list, at=i64, i=Py_ssize_t)
cpdef list holes(const i64[::1] places, const i64[::1] sizes, i64 end)
@cython.locals(seqs=i64[::1], flags=i64[::1], wire_sizes=i64[::1], passed=i64, tries=list, i=Py_ssize_t, k=Py_ssize_t, size=i64, seq=i64, begin=i64)
cpdef tuple tries_of(object rows, const i64[::1] own, i64 base, i64 furthest, i64 at)
