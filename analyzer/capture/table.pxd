# The types of table.py, for Cython. Bounds checks are on: a read outside of a buffer raises IndexError, it never happens.
cimport cython

ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 LOW, MASK, STATE, KNOWN, FORCED, HELLO, REUSED, BEGUN, GUESSED, WANTED, TO_THE_END
cdef i64 ACK, SYN
cdef i64 UNDECIDED, HTTP, REJECTED, LATE
cdef i64 SLOT, FLOW, ROW, INFO, HIGHER_AT, KNOWN_AT
cdef u64 _MIX, _MIX2, _MIX3, _LATE_SYN_WINDOW

@cython.locals(into=u64[::1])
cpdef object longer(u64[::1] old, Py_ssize_t count)


cdef class Table:
    cdef readonly object limits
    cdef readonly i64 forgotten
    cdef i64 _forces, _next_force, _slots, _used, _epoch, _wanted
    cdef i64 _flow_room, _flow_count, _flow_free, _flow_dead, _row_room, _row_count, _dead_rows
    cdef u64 _seed
    cdef u64[::1] _force, _table, _flows, _free_flows, _rows

    @cython.locals(last=u64, mixed=u64, slot=u64, at=i64)
    cdef Py_ssize_t _find(self, u64 s0, u64 s1, u64 d0, u64 d1, u64 ports) except -1 nogil
    @cython.locals(flow=u64, state=i64, base=i64, word=i64, info=u64)
    cdef u64 _new(self, i64 at, u64 number, u64 swapped, u64 seq, i64 flags) except? 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(way=u64, known=u64, isn=u64)
    cdef u64 _syn(self, i64 at, u64 info, u64 number, u64 swapped, u64 seq, i64 flags) except? 0xFFFFFFFFFFFFFFFF nogil
    cdef u64 _isn(self, i64 at, u64 info, u64 way, u64 seq) except? 0xFFFFFFFFFFFFFFFF nogil
    @cython.locals(state=i64, sent=i64, acked=i64, far_sent=i64, far_acked=i64, row=u64, base=i64)
    cdef int _late_syn(self, u64 info, u64 way, u64 seq) except -1 nogil
    cdef object _more_slots(self)
    @cython.locals(state=i64)
    cdef int _is_droppable(self, i64 at, i64 oldest_only) except -1
    @cython.locals(slot=i64, count=i64)
    cdef int _droppable(self, i64 oldest_only) except -1
    @cython.locals(old=u64[::1], old_slots=i64, gone=cython.uchar[::1], slot=i64, base=i64, at=i64, word=i64)
    cdef object _rehash(self, i64 slots, i64 drop, i64 oldest_only)
    @cython.locals(ports=u64)
    cdef int _on_winrm_port(self, u64 flow) except -1
    cdef u64 _first_packet(self, u64 flow) except? 0xFFFFFFFFFFFFFFFF
    @cython.locals(table=u64[::1], slot=i64, base=i64, state=u64, payloads=u64)
    cpdef list addresses(self)
    @cython.locals(there=u64[::1], slot=i64, base=i64, at=i64)
    cpdef list meeting(self, Table later)
    @cython.locals(info=u64)
    cpdef tuple slot(self, i64 at)
    cpdef object want(self, i64 at, int to_the_end)
    @cython.locals(info=u64, state=i64, later_info=u64, at=i64, there=i64, isn=u64, own_isn=u64, way=u64, flow=u64, answered=cython.bint)
    cpdef tuple in_common(self, Table later, bint loosely=*)
    @cython.locals(into=u64[::1], row=u64, base=i64, count=i64)
    cpdef object first_rows(self, u64 flow, u64 flipped)
    @cython.locals(into=u64[::1], row=u64, base=i64, count=i64)
    cpdef object last_rows(self, u64 flow, u64 flipped)
    @cython.locals(words=u64[::1], row=u64, base=i64, one=i64, way=u64, left=i64, near=i64, copies=i64, alike=cython.bint)
    cdef Py_ssize_t _copies(self, u64 flow, u64 flipped, object first, bint loosely) except -1
