"""Secrets in JSON that this program made of CIM instances: value by value, so that what is left is JSON."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from msgspec import DecodeError
from msgspec.json import decode, encode
from msgspec.structs import replace

from analyzer.records.forwarding import Forwarding
from analyzer.records.hostlogs import HostLogs
from analyzer.records.operations import CimOperation
from analyzer.records.sessions import ShellFact
from analyzer.records.wsman import Output, Shell
from analyzer.reports.spans import STARS

Json: TypeAlias = "str | int | float | bool | dict[str, Json] | list[Json] | None"

JSON_COLUMNS = frozenset({"data", "object", "environment", "application_arguments", "private_data", "history", "facts"})
"""Columns of JSON, in any table."""
_RETURNED = " returned "
_NAMES = ("Owner", "Name", "ClientIP")
"""Properties of shells that are names."""
_BESIDE = (("sValueName", ("sValue", "uValue")), ("Name", ("Value",)), ("PropertyName", ("Value",)))
"""Members that name what another member of the same object holds: of StdRegProv's methods, and of options."""


TYPED = {
    "commands": ("text", "text_decoded"),
    "streams": ("text", "object", "error_position"),
    "shells": ("name", "working_directory", "environment", "application_arguments", "private_data", "history", "facts"),
    "exchanges": ("target",),
    "ladders": ("head",),
    "timeline": ("message",),
    "files": ("name",),
    "host_events": ("command_line", "data", "image"),
    "operations": ("query", "selectors", "arguments", "returned", "instances"),
    "events": ("data", "message"),
    "subscriptions": ("query",),
}
"""By table, the columns that hold what somebody typed: what looks like a secret is looked for there, too (`typed`)."""
REPEATING = {("events", "message"), ("host_events", "command_line")}
"""What repeats a command line: of it as little is shown under ``strict`` as of others."""
_HOSTS = ("source", "destination", "host", "server_name", "tls_server_name", "wanted_name", "socks_destination", "host_1", "host_2", "host_3")
NAMES = frozenset({"user", "account", "domain", "workstation", "target_name", "spn", "realm", "socks_user", *_HOSTS})
"""Columns that hold a name."""
OURS = frozenset(
    """
    capture path format link_types sha256 connection_id community_id client_ip server_ip role protocol route_id close closed_by tunnel_of ja3 ja4
    tls_certificate_sha256 twin_of packets exchange_id method request_version response_version auth_scheme mechanism auth_step proxy_auth_scheme
    request_protection response_protection quality action_absent client_exchange_id upstream_exchange_id client_connection_id upstream_connection_id
    basis authentication_id first_exchange_id last_exchange_id audience scheme outcome ntlm_version server_os_build secret_tag offers message_id
    direction protection opened_absent secret_used check text_sha256 shell_id command_id kind connections state stream proxy_ip http_1_1
    connection_authentication keeps_open_after_success connection_persistence affinity encryption_enforced proxy_auth_over_https no_foreign_request
    routes finding_id rule severity subject exchanges filter reference attack evidence code level record means timestamp_desc table drawing lane_1
    lane_2 lane_3 tone session_id soap_message_id relates_to client_ttl server_ttl reset_ttl icmp unanswered tls_handshake
    tls_version tls_alert socks_version socks_reply proxy_header_client proxy_header_server alert_by handshake versions_offered ciphers_offered version
    cipher certificate_not_before certificate_not_after certificate_validity certificate_key certificate_signature certificate_sha256 client_certificate
    alert alert_level stream_error tag file key_used incident_id owner party_id findings explained_by explains settings reference_url reference_text certainty
    """.split()  # noqa: SIM905 (a list of so many words is easier to read so)
)
"""Columns of ids, addresses, numbers of packets and closed words."""
_DEPTH = 32
"""Levels of objects and lists that are looked into; what lies deeper is filtered as one text."""


def json_without(text: str, filtered: Callable[[str], str]) -> str:
    """``text`` with each value as ``filtered`` has it, by itself and behind its name (``StartPassword=…``); what is no JSON is filtered as it stands."""
    try:
        value: Json = decode(text)
    except DecodeError:
        return filtered(text)
    made = _without(value, "", filtered, _DEPTH)
    return text if made == value else encode(made).decode()


def _without(value: Json, name: str, filtered: Callable[[str], str], depth: int) -> Json:
    if isinstance(value, dict | list) and not depth:
        return filtered(encode(value).decode())
    if isinstance(value, dict):
        named = {key: str(value[told]) for told, keys in _BESIDE if isinstance(value.get(told), str) for key in keys}
        return {key: _without(_without(one, named[key], filtered, depth - 1) if key in named else one, key, filtered, depth - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(one, name, filtered, depth - 1) for one in value]
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


def objects_without(
    outputs: Sequence[Output], json: Callable[[str], str], typed: Callable[[str], str], known: Callable[[str], str], hidden: Collection[str]
) -> list[Output]:
    """Outputs whose objects, and answers to prompts, are without secrets: of the streams ``hidden`` none is shown. Most have none, which their lines tell at
    once. What was typed at a prompt is one where it would be behind the prompt's text (``Password: …``)."""
    made = list(outputs)
    prompt = ""
    for place, output in enumerate(outputs):
        if output.stream == "host":
            method, returned, answer = output.text.partition(_RETURNED)
            if returned and ("host" in hidden or typed(said := f"{prompt}: {answer}") != said):
                made[place] = output._replace(text=f"{method}{_RETURNED}{STARS}")
            if output.text.startswith("Write"):  # what a person sees before the host reads a line
                prompt = output.text.partition("(")[2].removesuffix(")").strip().rpartition("\n")[2].rstrip(":")
        if output.json is None:
            continue
        lines = _lines(output.json)
        clean = lines is not None and typed(lines) == lines and typed(output.json) == output.json
        text = STARS if output.stream in hidden else known(output.json if clean else json(output.json))
        if text != output.json:
            made[place] = output._replace(json=text)
    return made


def _lines(text: str) -> str | None:
    """Each value of an object behind its name, on a line of its own."""
    try:
        value: Json = decode(text)
    except DecodeError:
        return None
    found: list[str] = []
    waiting: list[tuple[str, Json]] = [("", value)]
    while waiting:
        name, one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.items()
        elif isinstance(one, list):
            waiting += [(name, item) for item in one]
        else:
            found.append(f"{name}={one}")
    return "\n".join(found)


def shell_without(one: Shell, filtered: Callable[[str], str], typed: Callable[[str], str], named: Callable[[str | None], str | None]) -> Shell:
    """A shell whose properties and events are without secrets: JSON (arguments of the application, its environment) as ``filtered`` has it."""

    def value(fact: ShellFact) -> str:
        if fact.value.startswith(("{", "[")):
            return filtered(fact.value)
        return named(fact.value) or "" if fact.name in _NAMES else typed(fact.value)

    facts = tuple(fact._replace(value=value(fact)) for fact in one.facts)
    events = tuple(event._replace(text=typed(event.text), asked_as=named(event.asked_as)) for event in one.events)
    return replace(one, user=named(one.user), resource_uri=named(one.resource_uri), facts=facts, events=events)


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
        data = filtered(one.event.data)
        message = None if one.event.message is None else STARS if data == STARS else typed(one.event.message)  # it repeats what the values hold
        event = replace(one.event, data=data, message=message, computer=named(one.event.computer))
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
