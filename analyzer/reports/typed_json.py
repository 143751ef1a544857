"""Secrets in JSON that this program made of CIM instances: value by value, so that what is left is JSON."""

from collections.abc import Callable
from typing import TypeAlias

from msgspec import DecodeError
from msgspec.json import decode, encode
from msgspec.structs import replace

from analyzer.records.forwarding import Forwarding
from analyzer.records.hostlogs import HostLogs
from analyzer.records.operations import CimOperation

Json: TypeAlias = "str | int | float | bool | dict[str, Json] | list[Json] | None"

_BESIDE = (("sValueName", ("sValue", "uValue")), ("Name", ("Value",)), ("PropertyName", ("Value",)))
"""Members that name what another member of the same object holds: of StdRegProv's methods, and of options."""


def json_without(text: str, filtered: Callable[[str], str]) -> str:
    """``text`` with each value as ``filtered`` has it, by itself and behind its name (``StartPassword=…``); what is no JSON is filtered as it stands."""
    try:
        value: Json = decode(text)
    except DecodeError:
        return filtered(text)
    made = _without(value, "", filtered)
    return text if made == value else encode(made).decode()


def _without(value: Json, name: str, filtered: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        named = {key: str(value[told]) for told, keys in _BESIDE if isinstance(value.get(told), str) for key in keys}
        return {key: _without(_without(one, named[key], filtered) if key in named else one, key, filtered) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(one, name, filtered) for one in value]
    if value is None or isinstance(value, bool):
        return value
    shown = filtered(str(value))
    if name:
        pair = filtered(f"{name}={shown}")
        shown = pair.removeprefix(f"{name}=") if pair.startswith(f"{name}=") else pair
    return value if shown == str(value) else shown


def operation_without(one: CimOperation, filtered: Callable[[str], str], named: Callable[[str | None], str | None]) -> CimOperation:
    """An operation whose JSON, query and selectors are as ``filtered`` has them."""
    query, arguments, returned = (None if text is None else filtered(text) for text in (one.query, one.arguments, one.returned))
    selectors = tuple((name, filtered(f"{name}={value}").removeprefix(f"{name}=")) for name, value in one.selectors)
    instances = tuple(map(filtered, one.instances))
    return replace(one, query=query, arguments=arguments, returned=returned, instances=instances, selectors=selectors, user=named(one.user))


def logs_without(logs: HostLogs, filtered: Callable[[str], str], typed: Callable[[str], str], named: Callable[[str | None], str | None]) -> HostLogs:
    """Host logs whose fields are as ``filtered`` has them, and whose command lines as ``typed``."""
    if not logs.joins:
        return logs
    joins = []
    for one in logs.joins:
        event = one.event
        line, image = (None if text is None else typed(text) for text in (event.command_line, event.image))
        event = replace(event, data=filtered(event.data), command_line=line, image=image, user=named(event.user))
        joins.append(replace(one, event=event))
    return replace(logs, joins=tuple(joins))


def forwarding_without(found: Forwarding, filtered: Callable[[str], str], typed: Callable[[str], str], named: Callable[[str | None], str | None]) -> Forwarding:
    """Event forwarding whose events' values are as ``filtered`` has them, and whose texts and queries as ``typed``."""
    if not found.deliveries:
        return found
    events = []
    for one in found.events:
        message = None if one.event.message is None else typed(one.event.message)
        event = replace(one.event, data=filtered(one.event.data), message=message, computer=named(one.event.computer))
        events.append(replace(one, event=event, name=named(one.name)))
    deliveries = tuple(replace(one, user=named(one.user), name=named(one.name), machine=named(one.machine)) for one in found.deliveries)
    subscriptions = []
    for each in found.subscriptions:
        about = each.about
        query = None if about.query is None else typed(about.query)
        pairs = (tuple((path, typed(xpath)) for path, xpath in own) for own in (about.selects, about.suppresses))
        selects, suppresses = pairs
        about = replace(about, query=query, selects=selects, suppresses=suppresses, name=named(about.name))
        subscriptions.append(replace(each, about=about, machine=named(each.machine)))
    return Forwarding(deliveries, tuple(subscriptions), tuple(events))
