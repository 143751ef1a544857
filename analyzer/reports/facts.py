"""Countings that several reports show, made of the evidence alone."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.candidates import connections, messages_where
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.sealing import Message, Protection
from analyzer.records.tls import Reached
from analyzer.records.transport import Connection
from analyzer.tables.issues import level

_LEVELS = ("error", "warning", "note")


class Coverage(NamedTuple):
    """How much of the WinRM traffic could be read. ``bodies`` counts HTTP bodies by what protects them; TLS connections are counted apart, whole."""

    bodies: dict[str, int]
    tls_connections: int
    missing_bytes: int
    holes: int
    incomplete: dict[str, int]
    wanted_keys: tuple[str, ...]
    opened: int
    """Sealed bodies that were opened."""
    closed: dict[str, int]
    """Sealed bodies that were not, by reason."""


class IssueCount(Struct, frozen=True, gc=False):
    """Issues of one kind, counted."""

    code: str
    level: str
    times: int
    example: Issue


def winrm_connections(evidence: Evidence) -> list[Connection]:
    """Connections that carry WinRM, or the authentication of a proxy on the way to it."""
    return list(connections(evidence))


def counted_connections(evidence: Evidence) -> list[Connection]:
    """`winrm_connections`, those that several captures saw once."""
    return [connection for connection in winrm_connections(evidence) if connection.twin_of is None]


def counted_exchanges(evidence: Evidence) -> list[Exchange]:
    """The WinRM exchanges of `counted_connections`."""
    own, of, wanted = counted_connections(evidence), evidence.exchanges_of, evidence.winrm_exchanges
    return evidence.index.once("counted exchanges", lambda: [one for connection in own for one in of.get(connection.id, ()) if one.id in wanted])


def counted_conversations(evidence: Evidence) -> list[Conversation]:
    """The authentications of `counted_exchanges`."""
    known = {exchange.id for exchange in counted_exchanges(evidence)}
    return [spoken for spoken in evidence.conversations if any(identity in known for identity in spoken.exchanges)]


def coverage(evidence: Evidence, *, once: bool = True) -> Coverage:
    """Counted over `counted_connections` and `counted_exchanges`. ``once``: a body that both sides of a proxy show is one, else one on each side."""
    return evidence.index.once(("coverage", once), lambda: _coverage(counted_connections(evidence), counted_exchanges(evidence), evidence, once=once))


def _coverage(counted_ones: Sequence[Connection], exchanges: Sequence[Exchange], evidence: Evidence, *, once: bool) -> Coverage:
    known = {exchange.id for exchange in exchanges}
    own = [message for message in evidence.messages.values() if message.exchange in known]
    twice = {far for far, hop in evidence.far.items() if once and far in known and hop.near in known}
    messages = [message for message in own if message.exchange not in twice] if twice else own
    beyond = {(evidence.far[message.exchange].near, message.from_client) for message in (own if twice else ()) if message.exchange in twice and message.opened}
    bodies = Counter(message.protection for message in messages)
    gaps = [gap for connection in counted_ones for stream in (connection.to_server, connection.to_client) for gap in stream.gaps]
    sealed = [message for message in messages if message.protection is Protection.SEALED]
    closed = [one for one in sealed if not one.opened and (one.exchange, one.from_client) not in beyond]
    incomplete = Counter(word for exchange in exchanges for word in exchange.quality)
    return Coverage(
        bodies={protection.value: bodies[protection] for protection in Protection},
        tls_connections=sum(_is_opaque(connection) for connection in counted_ones),
        missing_bytes=sum(gap.size for gap in gaps),
        holes=len(gaps),
        incomplete=dict(sorted(incomplete.items())),
        wanted_keys=_keys(evidence),
        opened=len(sealed) - len(closed),
        closed=dict(sorted(Counter(message.opened_detail or "no key" for message in closed).items())),
    )


def _is_opaque(connection: Connection) -> bool:
    """Something may have been said under TLS that was not decrypted; also where its beginning is not in the capture."""
    if connection.protocol != "tls" or connection.tls_opened:
        return False
    return connection.tls is None or connection.tls.reached in (Reached.COMPLETED, Reached.APPLICATION_DATA)


def _connection(message: Message) -> str:
    return message.exchange.rpartition(".x")[0]


def _keys(evidence: Evidence) -> tuple[str, ...]:
    """What would open the bodies that are closed, in words, each once."""
    closed = messages_where(evidence, "closed", lambda one: one.protection is Protection.SEALED and not one.opened and one.secret is None, encrypted=True)
    sealed = {_connection(message) for message in closed}
    wanted = [_key(one) for connection in sorted(sealed) for one in evidence.conversations_of.get(connection, ()) if one.secret is None]
    wanted.extend(
        f"a TLS key log, for the connection to {connection.server.host} port {connection.server.port}"
        for connection in winrm_connections(evidence)
        if connection.protocol == "tls" and not connection.tls_opened
    )
    return tuple(dict.fromkeys(key for key in wanted if key))


def _key(conversation: Conversation) -> str | None:
    return key_for(conversation.mechanism, account(conversation), conversation.spn)


def key_for(mechanism: str, name: str, spn: str | None) -> str | None:
    """What would open bodies sealed by this mechanism, for the account of that name."""
    key = next((one.key for one in Mechanism if one == mechanism), None)
    return None if key is None else key.format(name=name, spn=spn or "the service")


def account(conversation: Conversation) -> str:
    r"""``DOMAIN\user`` as sent, or what there is of it."""
    return account_named(conversation.client.user, conversation.client.domain)


def account_named(user: str | None, domain: str | None) -> str:
    r"""``DOMAIN\user``, or what there is of it."""
    if not user:
        return "an unnamed user"
    return f"{domain}\\{user}" if domain else user


def issue_counts(issues: Sequence[Issue]) -> list[IssueCount]:
    """One entry per kind, errors first, in order of first appearance."""
    counts: Counter[str] = Counter()
    examples: dict[str, Issue] = {}
    for issue in issues:
        counts[issue.code] += issue.repeats
        examples.setdefault(issue.code, issue)
    found = [IssueCount(code, level(example), counts[code], example) for code, example in examples.items()]
    return sorted(found, key=lambda count: _LEVELS.index(count.level))


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 packet``, ``2,000 packets``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
