"""What ties one connection to others: by which of it a stage, or a rule, may say something of another one.

Connections with a bond in common have to be looked at together; all others can be looked at apart, and what is said of each is the same. A bond is a number
of 64 bits, the beginning of a digest of what is shared:

    addresses           of both ends; those that PROXY headers, SOCKS requests and CONNECT name: parties, tries at one service, legs of a proxy
    names               that requests, TLS and NTLM give a server or a client: legs that only their headers tell, names of hosts
    keys of exchanges   MessageIDs, tokens, bodies to the byte (`analyzer.proxy.flights`): legs of a proxy, copies, replays
    secrets of logons   challenges and tickets: relays, halves of a handshake; what a KDC said of a ticket
    shells              by ShellId: a shell that several connections carry
    TLS                 beginnings of what a client sends, certificates: tunnels, interception
    sequence numbers    of both ends together: one connection on both sides of an address translation

A KDC whose traffic is in the captures binds all its clients.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator

from analyzer.engine.plan import Talk
from analyzer.formats.reader import Fetch, Reader
from analyzer.proxy.flights import flights
from analyzer.records.auth import KerberosToken, NtlmToken
from analyzer.records.halves import header, request, response
from analyzer.records.prefaces import ProxyHeader
from analyzer.records.transport import Connection

_BEGINNING = 160
"""Bytes of an opaque stream that tell it from all others (`analyzer.proxy.routes` compares as many)."""
_BY_GATEWAYS = (502, 503, 504)
_REPEATED = "repeated_token"
"""A credential that each request repeats: it says who sent one, which is no bond unless the server has the same name."""


def bond(kind: str, value: bytes | str) -> int:
    """The number of what is shared."""
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, person=kind.encode()[:16]).digest(), "little", signed=True)


def address(host: str) -> int:
    """The bond of all that has one end at this address."""
    return bond("host", host)


def called(name: str) -> tuple[int, ...]:
    """The bond of all that gives something this name (its first label, in small letters, as names are compared), or has this address."""
    text = name.strip().rstrip(".").strip("[]").lower()
    if not text:
        return ()
    if ":" in text or text.replace(".", "").isdigit():
        return (address(text),)
    return (bond("name", text.partition(".")[0]),)


def bonds(talks: Iterable[Talk], fetch: Fetch) -> "array[int]":
    """Those of one connection and of the tunnels in it, each once."""
    return array("q", sorted({one for talk in talks for one in _of(talk, fetch)}))


def gateway_errors(talks: Iterable[Talk]) -> bool:
    """Whether any answer is one that only a gateway gives."""
    return any((answer := response(exchange)) is not None and answer.status in _BY_GATEWAYS for talk in talks for exchange in talk.exchanges)


def _of(talk: Talk, fetch: Fetch) -> Iterator[int]:
    made = talk.connection
    yield address(made.client.host)
    yield address(made.server.host)
    if -1 not in made.bases:
        yield bond("bases", repr(made.bases))
    for preface in made.prefaces:
        if isinstance(preface, ProxyHeader):
            yield from (address(host) for host in (preface.client_host, preface.server_host) if host)
        else:
            yield from called(preface.host or "")
    yield from _of_tls(made, fetch)
    yield from _of_exchanges(talk)
    yield from _of_logons(talk)
    for message in talk.messages:
        if message.shell_id:
            yield bond("shell", message.shell_id.upper())
    for told in talk.said:
        if told is not None and told.operation is not None and told.operation.shell_id:
            yield bond("shell", told.operation.shell_id.upper())


def _of_tls(made: Connection, fetch: Fetch) -> Iterator[int]:
    if made.protocol in ("tls", "other") and made.to_server.size:
        yield bond("begins", Reader(made.to_server, fetch).peek(_BEGINNING))
    told = made.tls
    if told is None:
        return
    if told.client_random:
        yield bond("random", told.client_random)
    yield from (bond("certificate", one) for one in told.certificates)
    for name in (told.server_name, told.wanted_name, *(() if told.leaf is None else (*told.leaf.names, told.leaf.common_name))):
        if name and not name.startswith("*"):
            yield from called(name)


def _of_exchanges(talk: Talk) -> Iterator[int]:
    made = talk.connection
    messages = {message.id: message for message in talk.messages}
    for flight in flights({made.id: made}, {made.id: talk.exchanges}, messages):
        yield from (bond(kind, value) for kind, value in flight.keys if kind != _REPEATED)
        if flight.authority:
            yield from called(_without_port(flight.authority))
    for exchange in talk.exchanges:
        asked = request(exchange)
        yield from called(_without_port(header(asked, "host") or ""))
        if asked is not None and asked.method == "CONNECT":
            yield from called(_without_port(asked.target))


def _without_port(text: str) -> str:
    host = text.rpartition(":")[0] if ":" in text and not text.endswith("]") else text
    return host.strip("[]").lower()


def _of_logons(talk: Talk) -> Iterator[int]:
    for spoken in talk.conversations:
        if spoken.server_challenge:
            yield bond("challenge", spoken.server_challenge)
        if spoken.spn:
            yield from called(spoken.spn.partition("/")[2].partition("@")[0].partition(":")[0])
        for step in spoken.steps:
            ntlm = None if step.token is None else step.token.ntlm
            kerberos = None if step.token is None else step.token.kerberos
            if isinstance(ntlm, NtlmToken):
                for name in (ntlm.server_dns_name, ntlm.server_name, ntlm.workstation):
                    yield from called(name or "")
                yield from (bond("challenge", one) for one in (ntlm.server_challenge, ntlm.stamp, ntlm.nt_proof) if one)
            if isinstance(kerberos, KerberosToken) and kerberos.ticket is not None:
                yield bond("ticket", kerberos.ticket)
