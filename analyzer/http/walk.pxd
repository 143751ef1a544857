# The types of walk.py, for Cython. Bounds checks are on: a read outside of the bytes raises IndexError, it never happens.
cimport cython

from analyzer.formats.reader cimport Reader

ctypedef long long i64

cdef i64 _HEAD, _MOST, _STARTS, _HEX_DIGITS, _KNOWN, _HEADS, _REPEATED_HEAD, _PLAIN, _LENGTH, _CHUNKED, _ODD, _DIGITS
cdef dict _NAMES, _LINES, _ASKED, _ANSWERED, _ASKS, _ANSWERS, _BEGINNINGS, _EMPTY
cdef bytes _HEX, _NOTHING
cdef object _NONE, _BY_LENGTH, _BY_CHUNKS


@cython.final
cdef class Ordinary:
    cdef Reader reader
    cdef object start_line
    cdef i64 start_bytes, head_bytes, headers, chunks
    cdef const i64[::1] others
    cdef bint answers
    cdef dict heads, starts
    cdef object ended

    @cython.locals(reader=Reader, at=i64, data=bytes, base=i64, end=i64, known=tuple, words=tuple, fields=tuple, says=i64, length=i64, begin=i64, status=i64, begun=object, declared=object)
    cpdef object message(self, object method)
    @cython.locals(text=bytes, known=tuple)
    cdef tuple _head(self, bytes data, i64 base, i64 end)
    @cython.locals(stop=i64, start=bytes, words=tuple, says=i64, length=i64, fields=list, at=i64, end=i64, until=i64, line=bytes, known=tuple, about=i64)
    cdef tuple _read(self, bytes text)
    @cython.locals(reader=Reader, size=i64, base=i64, content=bytes)
    cdef object _sized(self, i64 at, i64 begin, i64 length, object declared)
    @cython.locals(reader=Reader, base=i64, data=bytes, size=i64, found=tuple, spans=list, parts=list, end=i64, content=bytes)
    cdef object _chunked(self, i64 at, i64 begin)
    @cython.locals(spans=list, parts=list, stop=i64, digits=bytes, size=i64)
    cdef tuple _chunks(self, bytes data, i64 at, i64 to_stream)
    @cython.locals(low=i64, high=i64, middle=i64)
    cdef bint _was_answered(self, i64 begin, i64 end) except -1


cdef object _span(tuple place)
@cython.locals(text=str, about=i64, length=i64)
cdef tuple _read_line(bytes line, i64 at)
@cython.locals(starts=bytes, same=bytes)
cdef object _body(object framing, object size, object declared, tuple spans, bytes content)
