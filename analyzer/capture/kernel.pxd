# The kernel's types, for Cython. Bounds checks are on: a read outside of a buffer raises IndexError, it never happens.
cimport cython

ctypedef unsigned char u8
ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 _MASK, _LOW, _NUMBER, _NS, _LATEST_NS, _MIX, _MIX2, _MIX3, _DEAD, _LATE_SYN_WINDOW
cdef i64 _FIN, _SYN, _RST, _ACK
cdef i64 _UNDECIDED, _HTTP, _TLS, _REJECTED, _KDC, _LATE, _FREE
cdef i64 _DONE, _SLOW, _DATAGRAM, _UNKNOWN, _ICMP
cdef i64 _SLOT, _FLOW, _ROW, _INFO
cdef u64 _FORCED, _REUSED, _BEGUN, _GUESSED, _WANTED, _TO_THE_END

@cython.locals(into=u64[::1])
cdef object _longer(u64[::1] old, Py_ssize_t count)
@cython.locals(which=i64, begin=i64, size=i64, i=i64, byte=i64)
cdef int _word_at(const u8[::1] view, i64 at, i64 end, const u8[::1] words, u64[::1] spans, i64 folded) except -1 nogil
@cython.locals(which=i64, begin=i64, have=i64, i=i64)
cdef int _may_become(const u8[::1] view, i64 at, i64 size, const u8[::1] words, u64[::1] spans) except -1 nogil
@cython.locals(i=i64)
cdef Py_ssize_t _head_end(const u8[::1] view, i64 at, i64 end) except -1 nogil
cdef int _is_kdc(i64 tag) noexcept nogil
@cython.locals(i=i64)
cdef Py_ssize_t _proxy_header(const u8[::1] view, i64 at, i64 size) except -1 nogil
@cython.locals(port=i64, i=i64)
cdef int _asks_socks(const u8[::1] view, i64 at, i64 size) except -1 nogil
cdef int _starts_late(u64 word) noexcept nogil
@cython.locals(first=i64, second=i64, code=i64)
cdef int _has_comment(const u8[::1] view, i64 at, i64 end, i64 big) except -1 nogil
@cython.locals(after=i64)
cdef int _status_asks(const u8[::1] view, i64 at, i64 end) except -1 nogil


@cython.final
cdef class Kernel:
    cdef readonly object limits, slow, spool, unknown_links, datagrams, icmp
    cdef readonly i64 icmp_over, datagrams_over, capture, tcp_packets, snapped, undecodable, forgotten, given_up, backwards, number, seconds, last_block_ns
    cdef i64 in_place, all_http, _base, _timed, _first_ns, _last_ns, _file_timed, _file_first_ns, _file_last_ns, _spooled, _spool_limit, _spool_full, _record_size, _undecided_payloads, _prefix_size
    cdef i64 _forces, _next_force, _slots, _used, _epoch
    cdef i64 _flow_room, _flow_count, _flow_free, _flow_dead, _row_room, _row_count, _dead_rows
    cdef i64 _prefix_room, _prefix_free, _late_room, _late_count, _out_room, _out_count, _payload_at, _hungry, _only, _wanted, _alone_ns, _alone_backwards, _patience, _icmp_room, _datagram_room
    cdef u64 _seed
    cdef tuple _before
    cdef const u8[::1] _words, _view
    cdef u64[::1] _methods, _targets, _fields, _types_a, _types_m, _tls_ports, _force
    cdef u64[::1] _table, _flows, _free_flows, _rows, _free_prefixes, _lates
    cdef u8[::1] _prefixes, _out

    cpdef object next_file(self, i64 packets, bint in_place)
    @cython.locals(info=u64, state=i64, later_info=u64, at=i64, there=i64, isn=u64, own_isn=u64, way=u64, flow=u64, answered=cython.bint)
    cpdef tuple in_common(self, Kernel later, bint loosely=*)
    @cython.locals(into=u64[::1], row=u64, base=i64, count=i64)
    cpdef object first_rows(self, u64 flow, u64 flipped)
    @cython.locals(words=u64[::1], row=u64, base=i64, one=i64, way=u64, left=i64, near=i64, copies=i64, alike=cython.bint)
    cdef Py_ssize_t _copies(self, u64 flow, u64 flipped, object first, bint loosely) except -1
    @cython.locals(table=u64[::1], slot=i64, base=i64, state=u64, payloads=u64)
    cpdef list addresses(self)
    cdef u64 _u16(self, i64 at) except 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(word=u64)
    cdef u64 _u32(self, i64 at) except 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(high=u64, low=u64)
    cdef u64 _u64(self, i64 at) except? 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(word=u64)
    cdef u64 _file_u32(self, i64 at, i64 big) except 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(kind=i64, at=i64, end=i64, to_file=i64, big=i64, scale=i64, header=i64)
    cpdef object pcap(self, object buffer, tuple span, i64 number, tuple layout, object link)
    @cython.locals(size=i64, seconds=i64, ts_ns=i64)
    cdef Py_ssize_t _pcap(self, i64 at, i64 end, i64 to_file, i64 big, i64 scale, i64 header, i64 kind) except -1 nogil
    @cython.locals(known=u64[::1], at=i64, end=i64, to_file=i64)
    cpdef object pcapng(self, object buffer, tuple span, i64 number, i64 big, object interfaces)
    @cython.locals(count=i64, total=i64, which=i64, size=i64, scale=u64, ticks=u64)
    cdef Py_ssize_t _pcapng(self, i64 at, i64 end, i64 to_file, i64 big, u64[::1] known) except -1 nogil
    @cython.locals(kind=i64, code=i64)
    cpdef object packet(self, i64 number, i64 ts_ns, object link, object buffer, i64 at, i64 size, i64 wire_size, i64 file_at)
    @cython.locals(four=i64, size=i64, ttl=u64, ident=u64)
    cdef object _peeled(self, i64 number, i64 ts_ns, object segment)
    cdef void _time(self, i64 ts_ns) noexcept nogil
    @cython.locals(end=i64, ethertype=i64, p=i64, t=i64, family=u64, protocol=i64, total=i64, ip_end=i64, ident=u64, step=i64, hops=u64)
    cdef int _packet(self, i64 at, i64 size, i64 wire_size, i64 kind, i64 number, i64 ts_ns, i64 to_file) except -1 nogil
    @cython.locals(code=i64, near=i64, far=i64)
    cdef int _other(self, i64 protocol, i64 p, i64 t, i64 end) except -1 nogil
    cdef int _is_error(self, i64 protocol, i64 t, i64 end) except -1 nogil
    @cython.locals(kind=i64, size=i64)
    cdef int _scale(self, i64 at, i64 end) except -1 nogil
    @cython.locals(offset=i64, payload_at=i64, wire_payload=i64, size=i64, near=u64, far=u64, seq=u64, flags=i64, swapped=u64, ports=u64, at=i64,
                   info=u64, way=u64, known=u64, isn=u64, direction=u64, state=i64, head=i64, flow=u64, spooled=u64, file_at=i64, base=i64, window=u64, scale=u64)
    cdef int _tcp(self, i64 number, i64 ts_ns, u64 four, u64 s0, u64 s1, u64 d0, u64 d1, u64 ident, i64 t, i64 end, i64 ip_end,
                  i64 to_file) except -1 nogil
    @cython.locals(last=u64, mixed=u64, slot=u64, at=i64)
    cdef Py_ssize_t _find(self, u64 s0, u64 s1, u64 d0, u64 d1, u64 ports) except -1 nogil
    @cython.locals(flow=u64, state=i64, base=i64, word=i64, info=u64)
    cdef u64 _new(self, i64 at, u64 number, u64 swapped, u64 seq, i64 flags) except? 0xFFFFFFFFFFFFFFFF nogil
    cdef u64 _isn(self, i64 at, u64 info, u64 way, u64 seq) except? 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(state=i64, sent=i64, acked=i64, far_sent=i64, far_acked=i64, row=u64, base=i64)
    cdef int _late_syn(self, u64 info, u64 way, u64 seq) except -1 nogil
    @cython.locals(base=i64, count=i64, shift=i64, slot=u64, have=i64, state=i64, growing=i64, more=i64, begin=i64, tls=i64)
    cdef int _decide(self, const u8[::1] view, u64 flow, u64 direction, i64 at, i64 size, u64 ports) except -1 nogil
    @cython.locals(base=i64, shift=i64, slot=u64)
    cdef int _settle(self, u64 flow, i64 state) except -1 nogil
    @cython.locals(begin=i64, i=i64)
    cdef int _add_to_prefix(self, u64 slot, i64 have, const u8[::1] view, i64 at, i64 size) except -1 nogil
    cdef int _growing(self, const u8[::1] view, i64 at, i64 size) except -1 nogil
    @cython.locals(near=u64, far=u64, first=i64, method=i64, which=i64, skip=i64)
    cdef int _judge(self, const u8[::1] view, i64 at, i64 size, u64 ports) except -1 nogil
    @cython.locals(i=i64, line_end=i64, byte=i64)
    cdef int _interesting(self, const u8[::1] view, i64 at, i64 end, i64 method) except -1 nogil
    cdef int _no_room(self, i64 size) noexcept nogil
    cpdef object room(self, i64 size)
    @cython.locals(flow=i64, about=u64)
    cpdef list open_flows(self)
    cdef object _flush(self)
    @cython.locals(begin=i64)
    cdef int _copy(self, i64 at, i64 size) except -1 nogil
    cdef object _more_prefixes(self)
    cdef object _more_flows(self)
    @cython.locals(base=i64, at=i64, flow=i64)
    cdef object _give_up(self)
    cdef u64 _first_packet(self, u64 flow) except? 0xFFFFFFFFFFFFFFFF
    @cython.locals(ports=u64)
    cdef int _on_winrm_port(self, u64 flow) except -1
    @cython.locals(row=i64, base=i64, flow=u64, to=i64, into=i64, word=i64)
    cdef object _compact(self)
    cdef object _more_slots(self)
    @cython.locals(state=i64)
    cdef int _is_droppable(self, i64 at, i64 oldest_only) except -1
    @cython.locals(slot=i64, count=i64)
    cdef int _droppable(self, i64 oldest_only) except -1
    @cython.locals(old=u64[::1], old_slots=i64, gone=u8[::1], slot=i64, base=i64, at=i64, word=i64)
    cdef object _rehash(self, i64 slots, i64 drop, i64 oldest_only)
    @cython.locals(base=i64, one=u64, other=u64, two=u64, other2=u64, ports=u64, info=u64)
    cpdef object flow(self, u64 flow, object host, i64 before=*)
    @cython.locals(count=i64, row=u64, first_key=u64, place=i64, base=i64, about=u64)
    cdef object _segments(self, u64 flow, i64 before)
    @cython.locals(there=u64[::1], slot=i64, base=i64, at=i64)
    cpdef list meeting(self, Kernel later)
    @cython.locals(info=u64)
    cpdef tuple slot(self, i64 at)
    cpdef object want(self, i64 at, int to_the_end)
    cpdef object absorb(self, Kernel later, i64 packets)
