"""The records of a result with pseudonyms: `names_of` tells the texts what the capture names, `replaced` gives the same records without any of it.

Which field holds a name, a line or something else is said here, field by field; every other text is a sentence or a word of ours, in which `Texts.known`
replaces the names that were learned. So a field that is added later is never passed over.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from hashlib import blake2b
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from analyzer.pseudonyms.texts import Texts
from analyzer.records.result import Result
from analyzer.records.sessions import ShellFact
from analyzer.records.wsman import Outputs

_FIELDS = {
    "name": """
        Identity.user Identity.domain Identity.workstation NtlmToken.user NtlmToken.domain NtlmToken.workstation NtlmToken.target NtlmToken.server_name
        NtlmToken.server_dns_name NtlmToken.server_domain NtlmToken.target_name KerberosToken.realm KerberosToken.spn Conversation.target_name Conversation.spn
        Conversation.realm Conversation.server_name Token.user Token.realm KdcMessage.client KdcMessage.realm KdcMessage.service TicketRefusal.service
        TicketRefusal.account NameClaim.name HostName.name Logon.user Logon.domain Logon.spn Failure.user Finding.user Shell.user Command.user
        CimOperation.user KeyUse.account Name.text Certificate.subject Certificate.issuer Certificate.common_name Certificate.names TlsFacts.server_name
        TlsFacts.wanted_name Socks.host Socks.user ProxyHeader.authority HostEvent.user HostEvent.computer Fault.machine HashLine.user HashLine.domain
        Command.asked_as Command.ran_as Shell.asked_as Shell.ran_as Fate.asked_as Fate.ran_as TicketKey.client TicketKey.service KerberosKey.principal
        ShellEvent.asked_as LoggedEvent.computer ForwardHalf.machine Delivery.machine Delivery.user Subscription.machine
    """,
    "line": """
        Command.text Command.decoded OutputRun.text OutputRun.json Output.text Output.json ShellFact.value
        ShellEvent.text Operation.command Operation.arguments MovedFile.name Sighting.line CimHalf.query CimHalf.selectors
        CimHalf.arguments CimHalf.returned CimHalf.instances CimOperation.query CimOperation.selectors CimOperation.arguments CimOperation.returned
        CimOperation.instances HostEvent.command_line HostEvent.data HostEvent.image Message.settings Capture.comments
        Subscribed.name Subscribed.selects Subscribed.suppresses Subscribed.query LoggedEvent.data LoggedEvent.message LoggedEvent.user_sid
    """,
    "other": """
        Request.target Page.title Page.text Fault.message Fault.detail ClearAnswer.status_line
        Subscribed.deliver_to Delivery.name Delivery.path ForwardedEvent.name
    """,
    "hash": "TlsFacts.certificates Certificate.sha256",
    "file": "Capture.path Capture.name HostLogs.files HostEvent.file GivenFile.name KeyUse.file SigmaHit.file",
    "bytes": "Body.starts Conflict.used Conflict.other StreamPiece.data MovedFile.data Operation.creation",
    "told": "Finding.title Finding.why Incident.title",
}
"""What fields hold: a name and nothing else; what someone typed, a program printed or a host logged; a text of a protocol or of a page; a hash by which others
find the name (certificates stand in public logs); a file's name; bytes as captured, which no table shows and are left out; a sentence that may quote a line."""
_KIND = {place: kind for kind, places in _FIELDS.items() for place in places.split()}
_KEPT_FIELDS = frozenset(
    """
    accept accept-encoding accept-language cache-control connection content-encoding content-length content-type date etag expect expires keep-alive
    last-modified pragma proxy-connection proxy-support server soapaction te trailer transfer-encoding upgrade user-agent vary x-cache age allow
    """.split()  # noqa: SIM905  a list of so many words is easier to read so
)
"""Fields of HTTP that name no one."""
_AUTHENTICATION = {"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info"}
_CONFIGURATION = re.compile(r"/powershell/([^/?#]{1,200})$", re.IGNORECASE)
"""A session configuration in a resource URI (MS-PSRP 3.1.5.3.1): who made one of his own named it."""
_OWNERS = ("Owner", "ClientIP", "ClientName", "RunAsUser")
"""Properties of shells that are names (MS-WSMV 2.2.4.39)."""
_QUOTED = re.compile("\u201c([^\u201d]*+)(\u201d|\\Z)")
_TELL = {"Finding.title", "Finding.why", "Incident.title"}
_ENDING = re.compile(r"((?:\.[A-Za-z][A-Za-z0-9]{1,7}){1,3})$")


def names_of(result: Result) -> Iterator[str]:
    """Every name in the fields that hold names, and in those of HTTP that do."""
    for one in _structs(result):
        kind = type(one).__name__
        if isinstance(one, ShellFact):
            yield from (one.value,) if one.name in _OWNERS else ()
            continue
        configuration = _CONFIGURATION.search(getattr(one, "resource_uri", None) or "")
        if configuration and not configuration[1].startswith("Microsoft."):
            yield configuration[1]
        for name in one.__struct_fields__:
            if _KIND.get(f"{kind}.{name}") == "name" or (kind, name) == ("Endpoint", "host"):
                yield from _texts(getattr(one, name))
        if kind == "Header" and one.name.lower() in ("host", "x-forwarded-host", "x-forwarded-server", "x-original-host"):
            yield re.sub(r":\d+$", "", one.value)


def replaced(result: Result, texts: Texts) -> Result:
    """The result without any name. `names_of` has been told to ``texts``."""
    return _Walk(texts).struct(result)  # type: ignore[no-any-return]


def field(name: str, value: str, texts: Texts) -> str:
    """The value of a field of HTTP."""
    low = name.lower()
    if low in _KEPT_FIELDS:
        return texts.known(value)
    if low in _AUTHENTICATION:
        return credentials(value, texts)
    return texts.other(value)


def credentials(value: str, texts: Texts) -> str:
    """Credentials, and offers: tokens with their names replaced; of Basic the password is blanked."""
    scheme, blank, rest = value.partition(" ")
    if scheme.lower() == "basic" and re.fullmatch(r"[A-Za-z0-9+/]{4,}={0,2}", rest):
        import base64
        import binascii

        try:
            pair = base64.b64decode(rest).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return f"{scheme}{blank}{'*' * len(rest)}"
        user, colon, password = pair.partition(":")
        blanked = "x" * len(password.encode("utf-8", "surrogateescape"))
        return f"{scheme}{blank}{base64.b64encode((texts.name(user) + colon + blanked).encode('utf-8', 'surrogateescape')).decode()}"
    if scheme.lower() == "digest":
        return re.sub(r'((?:username|realm|uri|domain)=")([^"]*)"', lambda one: f'{one[1]}{texts.name(one[2])}"', value)
    return re.sub(r'((?:realm)=")([^"]*)"', lambda one: f'{one[1]}{texts.other(one[2])}"', texts.known(value))


def file_name(path: str, texts: Texts) -> str:
    """A file's name without its folders: its words replaced, but for those that are public, and its ending."""
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] if path != "-" else path
    ending = _ENDING.search(name)
    return texts.line(name[: ending.start()] if ending else name) + (ending[0] if ending else "")


def _structs(value: Any) -> Iterator[Any]:  # noqa: ANN401  any part of a record, and its records
    if isinstance(value, ShellFact):
        yield value
    elif isinstance(value, Struct):
        yield value
        for name in value.__struct_fields__:
            yield from _structs(getattr(value, name))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _structs(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _structs(one)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  as above
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)


class _Walk:
    """One walk over the records: a record that stands in several places is replaced once."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self._done: dict[int, tuple[object, object]] = {}

    def struct(self, value: Struct) -> Any:  # noqa: ANN401  the same kind
        if id(value) in self._done:
            return self._done[id(value)][1]
        changes: dict[str, Any] = {}
        kind = type(value).__name__
        for name in value.__struct_fields__:
            old = getattr(value, name)
            new = self._field(f"{kind}.{name}", old, value)
            if new is not old:
                changes[name] = new
        made = replace(value, **changes) if changes else value
        self._done[id(value)] = (value, made)
        return made

    def _field(self, place: str, old: Any, record: Any) -> Any:  # noqa: ANN401  any field
        texts, kind = self.texts, _KIND.get(place)
        if place == "Header.value":
            return field(record.name, old, texts)
        if kind == "bytes":
            return b""
        if kind == "hash":
            return self.value(old, texts.known, lambda one: blake2b(one, digest_size=len(one), key=texts.hashing).digest() if one else one)
        changes = {"name": texts.name, "line": texts.line, "other": texts.other, "file": lambda one: file_name(one, texts), "told": self._told}
        return self.value(old, changes.get(kind or "", texts.known))

    def _told(self, text: str) -> str:
        """A sentence of ours; what it quotes of a command line is a line."""
        pieces, at = [], 0
        for found in _QUOTED.finditer(text):
            pieces += [self.texts.known(text[at : found.start()]), "\u201c", self.texts.line(found[1]), found[2]]
            at = found.end()
        return "".join((*pieces, self.texts.known(text[at:])))

    def value(self, value: Any, change: Callable[[str], str], hashed: Callable[[bytes], bytes] | None = None) -> Any:  # noqa: ANN401  any field
        made = value
        if isinstance(value, str):
            made = value if isinstance(value, Enum) else change(value)
        elif isinstance(value, bytes):
            made = value if hashed is None else hashed(value)
        elif isinstance(value, Struct):
            made = self.struct(value)
        elif isinstance(value, Outputs):
            made = Outputs([self.struct(one) for one in value.runs]) if value.runs else value
        elif isinstance(value, tuple):
            names = getattr(value, "_fields", ())
            kind = type(value).__name__
            parts = [self._field(f"{kind}.{name}", one, value) for name, one in zip(names, value, strict=True)] if names else None
            parts = [self.value(one, change, hashed) for one in value] if parts is None else parts
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                made = type(value)(*parts) if names else tuple(parts)
        elif isinstance(value, Mapping):
            made = {name: self.value(one, change, hashed) for name, one in value.items()}
        return made
