"""Operations on CIM classes and other resources, as the transcript shows them: one line for each request, its arguments and what came back below it."""

from collections.abc import Iterator
from itertools import groupby

from analyzer.formats.text import visible
from analyzer.records.ids import key_number
from analyzer.records.operations import CimOperation
from analyzer.records.result import Result
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line
from analyzer.tables.times import on_screen

_INSTANCES, _LINE = 5, 2000
"""Instances of one answer that are shown, and characters of one line."""


def operation_lines(result: Result) -> Iterator[Line]:
    """The operations of each client with each server, in order of place; nothing where there is none."""
    ordered = sorted(result.evidence.operations, key=lambda one: (one.client, one.server))
    for (client, server), own in groupby(ordered, key=lambda one: (one.client, one.server)):
        told = list(own)
        yield line(Span("operations on resources", "bold"), f"  {told[0].user or 'an identity that is not visible'}, {client} → {server}, {len(told):,} in all")
        for one in told:
            yield from _operation(result, one)
        yield BLANK


def asked_words(one: CimOperation) -> str:
    """``Invoke Win32_Process.Create (root/cimv2)``, ``Enumerate Win32_Service where …``."""
    what = one.class_name or one.resource_uri or "an unnamed resource"
    method = f".{one.method}" if one.method else ""
    where = f" ({one.namespace})" if one.namespace else ""
    return f"{one.name} {what}{method}{where}"


def _operation(result: Result, one: CimOperation) -> Iterator[Line]:
    about = f" [{one.touches.value.replace('_', ' ')}]" if one.touches is not None else ""
    yield _row(one.packets, "ASK", f"{asked_words(one)}{about}", f"  {on_screen(one.first_ns)}")
    chosen = ", ".join(f"{name}={value}" for name, value in one.selectors)
    for label, text in (("QUERY", one.query if one.enumeration is None else None), ("WHICH", chosen), ("WITH", one.arguments)):
        if text and text != "{}":
            yield _row((), label, text)
    fate = result.evidence.story.fates.get(one.id)
    if fate is not None and fate.ran_as and (fate.asked_as or "").casefold() != fate.ran_as.casefold():
        yield _row((), "WHO", f"asked by {fate.asked_from} ({fate.asked_as or 'no logon of its own in the capture'}), ran as {fate.ran_as}")
    if one.returned:
        yield _row(one.answer_packets, "BACK", one.returned)
    for place, instance in enumerate(one.instances[:_INSTANCES]):
        yield _row(one.answer_packets if place == 0 else (), "BACK" if place == 0 else "", instance)
    if len(one.instances) > _INSTANCES:
        yield _row((), "", f"and {counted(len(one.instances) - _INSTANCES, 'more instance')} (table operations)")
    if one.fault_code or one.status is None:
        yield _row(one.answer_packets, "FAULT" if one.fault_code else "MISSING", f"fault {one.fault_code}" if one.fault_code else "no answer in the capture")


def _row(packets: tuple[int, ...], label: str, text: str, when: str = "") -> Line:
    number = f"#{key_number(packets[0])}" if packets else ""
    shown = visible(text)
    cut = shown if len(shown) <= _LINE else f"{shown[:_LINE]} … ({len(shown) - _LINE:,} more characters)"
    return line(f"  {number:>9} ", Span(f"{label:7} ", "bold" if label == "ASK" else ""), cut, Span(when, "dim"))
