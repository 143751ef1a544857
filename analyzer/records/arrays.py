"""The type of columns of whole numbers: a class at run time, so that records can be read back from a file (Python 3.11 has no ``array[int]``)."""

from array import array
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Ints: TypeAlias = array[int]
else:
    Ints = array
