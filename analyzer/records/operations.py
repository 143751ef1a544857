"""Operations of WS-Management on resources other than shells: CIM and WMI classes, WinRM's own configuration (DSP0226 sections 7 and 8, MS-WSMV 3.1.4.1)."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class Touches(StrEnum):
    """What an operation is about, where its class tells."""

    PROCESS = "process"
    SERVICE = "service"
    TASK = "task"
    REGISTRY = "registry"
    EVENT_CONSUMER = "event_consumer"
    """A permanent event subscription of WMI: filter, consumer or their binding."""
    CONFIGURATION = "configuration"
    """WinRM's own."""


class CimHalf(Struct, frozen=True, gc=False):
    """What one envelope says of an operation. ``name``: Enumerate, Pull, Get, Put, Create, Delete, Release or Invoke, in a response the same.

    ``arguments``, ``returned`` and each of ``instances`` are JSON objects as text; of a request ``arguments`` are a method's, or the instance that a Put or
    Create sets. ``context``: the enumeration's. ``cut``: a limit was reached, or the envelope lacks bytes; what there is of it was read.
    """

    message: str
    exchange: str
    from_client: bool
    ts_ns: int
    packets: tuple[int, ...]
    name: str
    resource_uri: str | None = None
    method: str | None = None
    query: str | None = None
    selectors: tuple[tuple[str, str], ...] = ()
    arguments: str | None = None
    returned: str | None = None
    instances: tuple[str, ...] = ()
    context: str | None = None
    end: bool = False
    """The enumeration is at its end."""
    cut: bool = False
    limit: str | None = None
    """The limit that was reached, by its name."""


class Cim(NamedTuple):
    """A class by its resource URI: ``namespace`` as ``root/cimv2``, None where the URI has none."""

    namespace: str | None
    name: str | None


class CimOperation(Struct, frozen=True, gc=False):
    """One operation: a request and what came back. ``id`` is its exchange's.

    ``enumeration``: of a Pull, the id of the Enumerate that began it, as far as the captures show. ``touches`` and ``changes``: what it is about, and whether
    it asks for a change, by its class and method; that it was asked for does not say that it was done (``status``, ``fault_code``, ``return_value``).
    """

    id: str
    connection: str
    client: str
    server: str
    name: str
    resource_uri: str | None
    namespace: str | None
    class_name: str | None
    method: str | None
    query: str | None
    selectors: tuple[tuple[str, str], ...]
    arguments: str | None
    returned: str | None
    instances: tuple[str, ...]
    enumeration: str | None
    touches: Touches | None
    changes: bool
    return_value: int | None
    status: int | None
    fault_code: str | None
    user: str | None
    first_ns: int
    last_ns: int
    capture: int
    packets: tuple[int, ...]
    answer_packets: tuple[int, ...] = ()
    cut: bool = False
