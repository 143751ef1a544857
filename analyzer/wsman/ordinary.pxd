# The types of ordinary.py, for Cython. Bounds checks are on: a read outside of the text raises IndexError, it never happens.
cimport cython

ctypedef long long i64

cdef dict _IDS
cdef bytes _FOLDED, _CLASSES, _ONCE, _SPACED
cdef i64 _SELECTOR, _WSMAN_FAULT, _FAULT, _IDENTIFY, _IDENTIFY_RESPONSE, _COMMAND_LINE, _COMMAND, _ARGUMENTS, _STATE, _EXIT, _CODE
cdef i64 _CREATION, _OPTION, _STREAM, _DESIRED, _SIGNAL, _COMPRESSION, _QUALIFIED, _LONGEST_NAME, _NEAR, _LONG


cdef class _Attribute:
    cdef i64 name_at, name_end, at, end


cpdef object read(str text, i64 most, i64 most_selected)
@cython.locals(i=i64, j=i64, code=i64)
cdef i64 _tag_end(bytes data, i64 at, i64 end) except -2
@cython.locals(i=i64, j=i64, begin=i64, local=i64, name_end=i64, stop=i64)
cdef i64 _attribute(bytes data, i64 at, i64 end, _Attribute found) except -2
@cython.locals(i=i64)
cdef bint _refers(bytes data, i64 begin, i64 end) except -1
cdef str _value(str text, bytes data, i64 begin, i64 end)
@cython.locals(found=_Attribute, at=i64)
cdef str _named(str text, bytes data, i64 begin, i64 end, bytes name)
@cython.locals(first=i64, i=i64, stop=i64)
cdef object _number(str text, bytes data, i64 begin, i64 end)
cdef str _stripped(str text, bytes data, i64 begin, i64 end)
@cython.locals(end=i64, at=i64, begin=i64, i=i64, j=i64, word=i64, close=i64, size=i64, following=i64, ends=bint, long=bint, fault_at=i64, head_end=i64, searched=i64, declares=bint,
    line=bint, stated=bint, paged=bint, first=bint, texts=list, qualified=list, arguments=list, streams=list, compression=list, named=list, known=list,
    met=bytearray, attribute=_Attribute, qualified_name=bytes, name=str, command_id=str, last=str, state=str, value=str, code=str)
cdef object _read(str text, bytes data, i64 most, i64 most_selected)
@cython.locals(stop=i64)
cdef i64 _next(bytes data, i64 at, i64 end) except -2
@cython.locals(i=i64, word=bytes)
cdef i64 _wanted(bytes data, i64 begin, i64 end) except -2
