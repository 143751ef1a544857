# The types of plain.py, for Cython. Bounds checks are on: a read outside of an array raises IndexError, it never happens.
cimport cython

ctypedef long long i64

cdef i64 _FIN, _SYN, _RST, _ACK, _HALF, _MASK, _WINDOW

@cython.locals(directions=i64[::1], seqs=i64[::1], flags=i64[::1], sizes=i64[::1], wire_sizes=i64[::1], times=i64[::1], ttls=i64[::1],
               windows=i64[::1], acks=i64[::1], sources=i64[::1], places=i64[::1], keys=i64[::1], count=Py_ssize_t, i=Py_ssize_t, first_ns=i64, last_ns=i64,
               base=i64, ends=i64, fin=i64, other_base=i64, other_ends=i64, other_fin=i64, near=list, far=list, near_ttls=list, far_ttls=list, side=i64,
               seq=i64, flag=i64, size=i64, ttl=i64, acked=i64, other_acked=i64, onward=bint, before=Py_ssize_t, other_before=Py_ssize_t, last=Py_ssize_t, step=i64)
cpdef object plain(object rows, i64 pause_ns)
@cython.locals(best=i64, position=i64, i=Py_ssize_t, ack=i64, at=i64)
cdef i64 _acked(i64[::1] directions, i64[::1] acks, i64 side, i64 base, i64 ends) except -9
@cython.locals(stream_at=list, size=list, source=list, file_at=list, packet=list, ts_ns=list, acked_by=list, columns=list, at=i64, position=i64,
               k=Py_ssize_t, heard=i64, fin_acked=i64, passed=i64, waits=Py_ssize_t, later=i64, later_at=i64, i=Py_ssize_t)
cdef object _way(i64[::1] sizes, i64[::1] sources, i64[::1] places, i64[::1] keys, i64[::1] times, i64[::1] acks, list own, i64 ends, i64 acked, i64 fin,
                 list ttls, i64 peer_base, i64 peer_ends, i64[::1] directions, i64 peer)
