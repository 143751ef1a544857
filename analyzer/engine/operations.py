"""Operations on resources that are no shells, put together: each request with its answer, a Pull with the Enumerate that began it, each of them once."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.json import decode

from analyzer.psrp.parts import Place
from analyzer.records.evidence import Evidence
from analyzer.records.ids import key_capture, response_id
from analyzer.records.issues import Issue
from analyzer.records.operations import CimHalf, CimOperation
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.wsman.cim import changes, class_of, touches


class Found(NamedTuple):
    """The operations in order of place, and issues about limits."""

    operations: tuple[CimOperation, ...] = ()
    issues: tuple[Issue, ...] = ()


def operations(evidence: Evidence, messages: Mapping[str, Message], halves: Mapping[str, Sequence[CimHalf]], place: Callable[[str], Place]) -> Found:
    """``halves`` by exchange id. Of an exchange on both sides of a proxy, or of one that a second capture point saw, the first that could be read counts."""
    made: list[CimOperation] = []
    begun: dict[tuple[str, str], CimOperation] = {}
    for identity in evidence.exchanges:
        own = halves.get(identity)
        asked = None if own is None else next((one for one in own if one.from_client), None)
        if own is None or asked is None or _is_told_elsewhere(evidence, identity, halves):
            continue
        answer = next((one for one in own if not one.from_client and one.name == asked.name), None)
        at = place(identity)
        key = (at.server, asked.context or "")
        first = begun.get(key) if asked.context else None
        one = _operation(evidence, messages, asked, answer, first, at)
        made.append(one)
        if answer is not None and answer.context:
            begun[at.server, answer.context] = first or one
    limits = ((half, half.limit) for own in halves.values() for half in own if half.limit is not None)
    told = (
        Issue("wsman.limit", f"{limit}: later elements were not read", half.message, key_capture(half.packets[0])) for half, limit in limits if half.packets
    )
    return Found(tuple(made), tuple(told))


def _is_told_elsewhere(evidence: Evidence, identity: str, halves: Mapping[str, Sequence[CimHalf]]) -> bool:
    hop = evidence.far.get(identity)
    if hop is not None and hop.near in halves:
        return True
    twin = evidence.connections[evidence.exchanges[identity].connection].twin_of
    return twin is not None and any(exchange.id in halves for exchange in evidence.exchanges_of.get(twin, ()))


def _operation(
    evidence: Evidence, messages: Mapping[str, Message], asked: CimHalf, answer: CimHalf | None, first: CimOperation | None, at: Place
) -> CimOperation:
    exchange = evidence.exchanges[asked.exchange]
    response = exchange.response
    back = None if isinstance(response, Absent) else response
    told = messages.get(response_id(exchange.id))
    query = asked.query or (first.query if first is not None else None)
    cim = class_of(asked.resource_uri, asked.selectors, query)
    returned = None if answer is None else answer.returned
    return CimOperation(
        id=exchange.id,
        connection=exchange.connection,
        client=at.client,
        server=at.server,
        name=asked.name,
        resource_uri=asked.resource_uri,
        namespace=cim.namespace,
        class_name=cim.name,
        method=asked.method,
        query=query,
        selectors=asked.selectors,
        arguments=asked.arguments,
        returned=returned,
        instances=() if answer is None else answer.instances,
        enumeration=None if first is None else first.id,
        touches=touches(asked.resource_uri, cim),
        changes=changes(asked.name, asked.method),
        return_value=_return_value(returned),
        status=None if back is None else back.status,
        fault_code=None if told is None else told.fault_code,
        user=at.user,
        first_ns=asked.ts_ns,
        last_ns=asked.ts_ns if back is None else back.last_ns,
        capture=exchange.capture,
        packets=asked.packets,
        answer_packets=() if back is None else back.packets,
        cut=asked.cut or (answer is not None and answer.cut),
    )


def _return_value(returned: str | None) -> int | None:
    """ReturnValue of a method's answer; its text is ours (`analyzer.wsman.cim`)."""
    found = decode(returned).get("ReturnValue") if returned else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
