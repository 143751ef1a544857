"""Sentences that several rules of this family say: of certificates, of offers, of endings."""

from datetime import UTC, datetime
from typing import Any

from analyzer.records.tls import Certificate
from analyzer.records.transport import Connection, End, TlsFacts
from analyzer.rules.reading import counted, listed
from analyzer.rules.telling import Tell
from analyzer.rules.tls._handshakes import Shake

_NS = 1_000_000_000
_DAY_S = 86_400
_TITLE = 69
_SHOWN = 3


def date(seconds: int) -> str:
    """``2022-01-01`` (UTC)."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def headline(before: str, name: str, after: str) -> str:
    """A title with a name in it, cut where the name is too long for one line."""
    room = _TITLE - len(before) - len(after)
    return f"{before}{name if len(name) <= room else name[: room - 1] + '…'}{after}"


def is_expired(shake: Shake) -> bool:
    """The server's certificate had ended before this connection."""
    return shake.facts.leaf is not None and shake.connection.first_ns // _NS > shake.facts.leaf.not_after_s


def is_early(shake: Shake) -> bool:
    """The server's certificate was not yet valid."""
    return shake.facts.leaf is not None and shake.connection.first_ns // _NS < shake.facts.leaf.not_before_s


def has_flaw(shake: Shake) -> bool:
    """The certificate shows a reason to refuse it."""
    leaf = shake.facts.leaf
    dated = is_expired(shake) or is_early(shake)
    return leaf is not None and (dated or shake.facts.name_matches is False or leaf.self_signed or leaf.server_use is False)


def certificate(tell: Tell[Shake]) -> str:
    """Sentences about the server's certificate: whose it is, who signed it, whether it was valid; empty when it cannot
    be seen."""
    shake = tell.first.fact
    leaf = shake.facts.leaf
    if leaf is None:
        hidden = shake.facts.version_name == "TLS 1.3"
        return " TLS 1.3 encrypts the certificate, so only a key log would show it." if hidden else ""
    place = f" ({tell.packet(shake.facts.leaf_packet)})" if shake.facts.leaf_packet is not None else ""
    said = [f" The server's certificate{place} has the subject {leaf.subject or '(empty)'} and {_issuer(leaf)}."]
    if is_expired(shake):
        days = (shake.connection.first_ns // _NS - leaf.not_after_s) // _DAY_S
        said.append(f" It expired on {date(leaf.not_after_s)}, {counted(days, 'day')} before this connection.")
    elif is_early(shake):
        said.append(f" It is not valid before {date(leaf.not_before_s)}.")
    else:
        said.append(f" It was valid by its dates, until {date(leaf.not_after_s)}.")
    if shake.facts.name_matches is False:
        said.append(f" It is not valid for {shake.facts.wanted_name}, only for {listed(names(leaf), _SHOWN)}.")
    if leaf.server_use is False:
        said.append(" Its extended key usage does not allow server authentication.")
    return "".join(said)


def names(leaf: Certificate) -> tuple[str, ...]:
    """What a certificate is valid for."""
    return leaf.names or ((leaf.common_name,) if leaf.common_name else ("no name",))


def _issuer(leaf: Certificate) -> str:
    return "is self-signed (the issuer is the same)" if leaf.self_signed else f"was issued by {leaf.issuer or '(empty)'}"


def offer(facts: TlsFacts) -> str:
    """What the client offered, in one sentence."""
    versions = listed(facts.offered_versions)
    return f" The client offered {versions} and {counted(len(facts.offered_ciphers), 'cipher suite')}." if versions else ""


def ended(connection: Connection) -> str:
    """``reset the connection``, ``closed the connection (FIN)``."""
    return "reset the connection (RST)" if connection.end is End.RESET else "closed the connection (FIN)"


def attempts(tell: Tell[Any]) -> str:
    """How often, and whether anything else worked."""
    shake: Shake = tell.first.fact
    often = f" This happened on {counted(tell.count, 'connection')} of {shake.connection.client.host}."
    return often + (f" TLS came up on {counted(shake.up, 'other connection')} between the two." if shake.up else "")
