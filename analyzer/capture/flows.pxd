# The types of flows.py, for Cython. Bounds checks are on: a read outside of a buffer raises IndexError, it never happens.
cimport cython

from analyzer.capture.verdicts cimport Verdicts

ctypedef unsigned char u8
ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 LOW, NUMBER, STATE, SPOOLED
cdef i64 ACK
cdef i64 UNDECIDED, REJECTED, FREE
cdef i64 FLOW, ROW, REEL, INFO, HIGHER_AT, _PAGED, _OFTEN
cdef object _ZERO


cdef class Flows(Verdicts):
    cdef readonly object slow, spool, unknown_links, datagrams, naming, icmp
    cdef readonly i64 capture, tcp_packets, snapped, undecodable, given_up, backwards, datagrams_over, naming_over, icmp_over, outside, elsewhere
    cdef i64 in_place, _base, _timed, _first_ns, _last_ns, _file_timed, _file_first_ns, _file_last_ns
    cdef i64 _spooled, _spool_limit, _spool_full, _late_room, _late_count, _out_room, _out_count, _only, _alone_ns, _alone_backwards
    cdef i64 _spanned, _since, _until, _narrowed, _reeling, _reel_room, _reel_count, _rise_room, _rise_count, _touched
    cdef readonly i64 idle, noted
    cdef tuple _before
    cdef object _paging, _pages
    cdef const u8[::1] _view
    cdef u64[::1] _lates, _nets, _ports, _reel, _rises
    cdef u8[::1] _out

    cdef int _is_outside(self, i64 ts_ns) noexcept nogil
    @cython.locals(found=cython.bint, port=u64, net=i64, at=i64, nets=u64[::1])
    cdef int _is_within(self, u64 four, u64 s0, u64 s1, u64 d0, u64 d1, u64 near, u64 far) except -1 nogil
    @cython.locals(port=u64)
    cdef int _is_ours(self, u64 near, u64 far) except -1 nogil
    cpdef object next_file(self, i64 packets, bint in_place)
    cdef int _is_error(self, i64 protocol, i64 t, i64 end) except -1 nogil
    cdef int _is_naming(self, i64 near, i64 far, i64 t, i64 end) except -1 nogil
    @cython.locals(kind=i64, size=i64)
    cdef int _scale(self, i64 at, i64 end) except -1 nogil
    @cython.locals(file_at=i64, base=i64, flow=i64, full=cython.bint)
    cdef int _add(self, u64 number, i64 ts_ns, u64 numbers, u64 about, u64 ident, i64 at, i64 size, i64 wire_size, i64 to_file) except -1 nogil
    cpdef object room(self, i64 size)
    cdef object _more_pages(self)
    cdef object _flush(self)
    @cython.locals(begin=i64)
    cdef int _copy(self, i64 at, i64 size) except -1 nogil
    @cython.locals(base=i64)
    cdef int _note(self, i64 number, i64 ts_ns, i64 at, i64 size, i64 wire_size) except -1 nogil
    cdef object _more_flows(self)
    @cython.locals(base=i64, at=i64, flow=i64)
    cdef object _give_up(self)
    @cython.locals(row=i64, base=i64, flow=u64, to=i64, into=i64, word=i64)
    cdef object _compact(self)
    @cython.locals(flow=i64, about=u64)
    cpdef list open_flows(self)
    @cython.locals(base=i64, one=u64, other=u64, two=u64, other2=u64, ports=u64, info=u64)
    cpdef object flow(self, u64 flow, object host, i64 before=*)
    @cython.locals(count=i64, row=u64, first_key=u64, place=i64, base=i64, about=u64)
    cpdef object segments(self, u64 flow, i64 before=*)
    cpdef object absorb(self, Flows later, i64 packets)
