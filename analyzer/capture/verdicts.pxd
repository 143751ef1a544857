# The types of verdicts.py, for Cython. Bounds checks are on: a read outside of a buffer raises IndexError, it never happens.
cimport cython

from analyzer.capture.table cimport Table

ctypedef unsigned char u8
ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 LOW, STATE, KNOWN, DEAD
cdef i64 UNDECIDED, HTTP, TLS, REJECTED, KDC
cdef i64 FLOW
cdef i64 _RANDOM, _SOCKS_MORE, _SOCKS_SIZE

@cython.locals(which=i64, begin=i64, size=i64, i=i64, byte=i64)
cdef int _word_at(const u8[::1] view, i64 at, i64 end, const u8[::1] words, u64[::1] spans, i64 folded) except -1 nogil
@cython.locals(which=i64, begin=i64, have=i64, i=i64)
cdef int _may_become(const u8[::1] view, i64 at, i64 size, const u8[::1] words, u64[::1] spans) except -1 nogil
@cython.locals(i=i64)
cdef Py_ssize_t _head_end(const u8[::1] view, i64 at, i64 end) except -1 nogil
@cython.locals(i=i64)
cdef Py_ssize_t _proxy_header(const u8[::1] view, i64 at, i64 size) except -1 nogil
@cython.locals(port=i64, i=i64)
cdef int _asks_socks(const u8[::1] view, i64 at, i64 size) except -1 nogil
@cython.locals(after=i64)
cdef int _status_asks(const u8[::1] view, i64 at, i64 end) except -1 nogil


cdef class Verdicts(Table):
    cdef i64 all_http, _undecided_payloads, _patience, _prefix_size, _prefix_room, _prefix_free
    cdef const u8[::1] _words
    cdef u64[::1] _methods, _targets, _fields, _types_a, _types_m, _tls_ports, _free_prefixes, _randoms
    cdef i64 _known_randoms
    cdef u8[::1] _prefixes

    @cython.locals(base=i64, count=i64, shift=i64, slot=u64, have=i64, state=i64, growing=i64, more=i64, begin=i64, tls=i64, socks=cython.bint)
    cdef int _decide(self, const u8[::1] view, u64 flow, u64 direction, i64 at, i64 size, u64 ports) except -1 nogil
    @cython.locals(word=u64, i=i64, low=i64, high=i64, middle=i64)
    cdef int _is_known(self, const u8[::1] view, i64 at) except -1 nogil
    @cython.locals(first=i64, skip=i64)
    cdef int _is_hello(self, const u8[::1] view, i64 at, i64 size) except -1 nogil
    @cython.locals(base=i64, shift=i64, slot=u64)
    cdef int _settle(self, u64 flow, i64 state) except -1 nogil
    @cython.locals(begin=i64, i=i64)
    cdef int _add_to_prefix(self, u64 slot, i64 have, const u8[::1] view, i64 at, i64 size) except -1 nogil
    cdef object _more_prefixes(self)
    cdef int _growing(self, const u8[::1] view, i64 at, i64 size) except -1 nogil
    @cython.locals(near=u64, far=u64, first=i64, method=i64, which=i64, skip=i64)
    cdef int _judge(self, const u8[::1] view, i64 at, i64 size, u64 ports) except -1 nogil
    @cython.locals(i=i64, line_end=i64, byte=i64)
    cdef int _interesting(self, const u8[::1] view, i64 at, i64 end, i64 method) except -1 nogil
    cdef int _is_kdc(self, i64 tag) noexcept nogil
