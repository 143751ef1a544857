# The types of kernel.py, for Cython. Bounds checks are on: a read outside of a buffer raises IndexError, it never happens.
cimport cython

from analyzer.capture.flows cimport Flows

ctypedef unsigned char u8
ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 LOW, STATE, WANTED, TO_THE_END, HELLO, NOTED, BEGUN
cdef u64 NS, LATEST_NS
cdef i64 SYN
cdef i64 UNDECIDED, HTTP, REJECTED, LATE
cdef i64 DONE, SLOW, DATAGRAM, UNKNOWN, ICMP, NAMING
cdef i64 INFO, HIGHER_AT

cdef int _starts_late(u64 word) noexcept nogil
@cython.locals(first=i64, second=i64, code=i64)
cdef int _has_comment(const u8[::1] view, i64 at, i64 end, i64 big) except -1 nogil


@cython.final
cdef class Kernel(Flows):
    cdef readonly i64 number, seconds, last_block_ns
    cdef i64 _record_size, _payload_at, _hungry, _icmp_room, _datagram_room, _naming_room, _peeling

    cdef inline u64 _u16(self, i64 at) except 0xFFFFFFFFFFFFFFFF nogil
    cdef inline void _time(self, i64 ts_ns) noexcept nogil
    cdef inline int _no_room(self, i64 size) noexcept nogil
    @cython.locals(word=u64)
    cdef inline u64 _u32(self, i64 at) except 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(high=u64, low=u64)
    cdef u64 _u64(self, i64 at) except? 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(word=u64)
    cdef inline u64 _file_u32(self, i64 at, i64 big) except 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(kind=i64, at=i64, end=i64, to_file=i64, big=i64, scale=i64, header=i64)
    cpdef object pcap(self, object buffer, tuple span, i64 number, tuple layout, object link)
    @cython.locals(size=i64, seconds=i64, ts_ns=i64)
    cdef Py_ssize_t _pcap(self, i64 at, i64 end, i64 to_file, i64 big, i64 scale, i64 header, i64 kind) except -1 nogil
    @cython.locals(known=u64[::1], at=i64, end=i64, to_file=i64)
    cpdef object pcapng(self, object buffer, tuple span, i64 number, i64 big, object interfaces)
    @cython.locals(count=i64, total=i64, which=i64, size=i64, scale=u64, ticks=u64)
    cdef Py_ssize_t _pcapng(self, i64 at, i64 end, i64 to_file, i64 big, u64[::1] known) except -1 nogil
    @cython.locals(numbers=i64[::1], times=i64[::1], kinds=i64[::1], sizes=i64[::1], wires=i64[::1], places=i64[::1], noted=i64[::1], ats=i64[::1])
    cpdef object replay(self, object buffer, i64 begin, tuple columns, i64 row, i64 end)
    @cython.locals(at=i64)
    cdef Py_ssize_t _replay(self, i64 begin, i64[::1] numbers, i64[::1] times, i64[::1] kinds, i64[::1] sizes, i64[::1] wires, i64[::1] places,
                     i64[::1] noted, i64[::1] ats, i64 row, i64 end) except? -1 nogil
    @cython.locals(kind=i64, code=i64)
    cpdef object packet(self, i64 number, i64 ts_ns, object link, object buffer, i64 at, i64 size, i64 wire_size, i64 file_at)
    @cython.locals(four=i64, size=i64, ttl=u64, ident=u64)
    cdef object _peeled(self, i64 number, i64 ts_ns, object segment)
    @cython.locals(end=i64, link=i64, ethertype=i64, p=i64)
    cdef int _packet(self, i64 at, i64 size, i64 wire_size, i64 kind, i64 number, i64 ts_ns, i64 to_file) except -1 nogil
    @cython.locals(ethertype=i64, p=i64, family=u64)
    cdef inline Py_ssize_t _link(self, i64 at, i64 end, i64 kind) except -1 nogil
    @cython.locals(t=i64, protocol=i64, total=i64, ip_end=i64, ident=u64, hops=u64)
    cdef inline int _ipv4(self, i64 p, i64 end, i64 frame_end, i64 number, i64 ts_ns, i64 to_file) except -1 nogil
    @cython.locals(t=i64, protocol=i64, total=i64, ip_end=i64, ident=u64, step=i64, hops=u64)
    cdef int _ipv6(self, i64 p, i64 end, i64 frame_end, i64 number, i64 ts_ns, i64 to_file) except -1 nogil
    @cython.locals(code=i64, near=i64, far=i64)
    cdef int _other(self, i64 protocol, i64 p, i64 t, i64 end) except -1 nogil
    cdef int _is_elsewhere(self, i64 p, u64 near, u64 far) except -1 nogil
    @cython.locals(offset=i64, payload_at=i64, wire_payload=i64, size=i64, near=u64, far=u64, seq=u64, flags=i64, swapped=u64, ports=u64, at=i64,
                   info=u64, direction=u64, state=i64, head=i64, flow=u64, window=u64, scale=u64, about=u64)
    cdef int _tcp(self, i64 number, i64 ts_ns, u64 four, u64 s0, u64 s1, u64 d0, u64 d1, u64 ident, i64 t, i64 end, i64 ip_end,
                  i64 to_file) except -1 nogil
