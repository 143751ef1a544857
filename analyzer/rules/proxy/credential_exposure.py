"""Which credentials each proxy could see, as a list.

Detects
    For each proxy the logons to servers that it could read (it carried them without TLS, or TLS ended at it), by
    mechanism, and the TLS tunnels through it.
Impact
    Basic gives the proxy the password. An NTLM response can be guessed offline. A Kerberos ticket hides the password,
    but shows names, and one with RC4 can be guessed as well. CredSSP's inner TLS and TLS in a tunnel show nothing.
    The one who runs the proxy has this.
False positives
    It is a list, not an alarm: alarms are rules of their own (auth.basic-cleartext, auth.ntlmv1, proxyauth.*).
Requires
    One side with a sign of the proxy.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from analyzer.records.auth import Audience, Conversation
from analyzer.records.story import Kind, Logon, Party
from analyzer.rules import microsoft
from analyzer.rules.asking import account, claims_proxy
from analyzer.rules.reading import counted, listed, name
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, once

_INTERCEPTS = "tls_terminating"


class Seen(Fact, frozen=True):
    """A logon that a proxy could read."""

    party: Party
    logon: Logon
    connection: str


def see(evidence: Evidence) -> Signs[Seen]:
    """One sign for each logon and proxy on its way."""
    proxy, server = Kind.PROXY, Audience.SERVER
    proxies = [party for party in evidence.story.parties if party.kind is proxy]
    if not proxies:
        return
    spoken = {one.id: one for one in evidence.conversations}
    ended = {route.client_connection for route in evidence.routes if route.kind == _INTERCEPTS}
    passing: dict[str, list[int]] = {}
    for place, logon in enumerate(evidence.story.logons):
        if logon.audience is server and logon.mechanism.exposes is not None:
            for identity in (logon.client_connection, *logon.server_connections):
                passing.setdefault(identity, []).append(place)
    for party in proxies:
        places = {place for identity in (*party.near, *party.far) for place in passing.get(identity, ())}
        near, far = (frozenset(party.near), frozenset(party.far)) if len(places) > 1 else (party.near, party.far)
        for place in sorted(places):
            logon = evidence.story.logons[place]
            way = (logon.client_connection, *logon.server_connections)
            own = [identity for identity in way if identity in near] or [identity for identity in way if identity in far]
            if own and _could_read(evidence, [identity for identity in way if identity in near or identity in far], ended):
                yield _sign(spoken, Seen(party, logon, own[0]))


def _could_read(evidence: Evidence, way: list[str], ended: set[str]) -> bool:
    """One of its sides is not TLS, or TLS ends at it."""
    return bool([identity for identity in way if evidence.connections[identity].protocol != "tls" or identity in ended])


def _sign(spoken: Mapping[str, Conversation], seen: Seen) -> Sign[Seen]:
    own = [one for identity in seen.logon.conversations if (one := spoken[identity]).connection == seen.connection]
    packets = [step.packets[0] for one in own for step in one.steps if step.from_client and step.packets and step.token is not None]
    exchanges = tuple([one.exchanges[-1] for one in own])
    return Sign(seen, exchanges, tuple(packets or seen.logon.packets[:1]), (seen.connection,), account(seen.logon))


def each(_: Evidence, sign: Sign[Seen]) -> str:
    """One finding for each proxy."""
    return sign.fact.party.id


def _proxy(tell: Tell[Seen]) -> str:
    party = tell.facts[0].party
    return party.listens[0].host if party.listens else party.hosts[0]


def why(tell: Tell[Seen]) -> str:
    evidence, facts = tell.evidence, tell.facts
    near = [evidence.connections[identity] for identity in facts[0].party.near]
    tunnels = len([one for one in near if one.protocol == "tls" and one.tunnel_of is not None])
    text = (
        f"The proxy {_proxy(tell)} saw {counted(len(facts), 'logon')} to servers that it could read: "
        f"{_kinds(facts)}{f', of {listed(tell.users)}' if tell.users else ''}. The first is on "
        f"{name(evidence.connections[facts[0].connection])}, {tell.packet(tell.first.packets[0])}."
    )
    if _is_claimed(tell):
        text += " That it is a proxy is told by a field such as Via alone, which any sender can write."
    return text + (f" It saw nothing of what was in {counted(tunnels, 'TLS tunnel')}." if tunnels else "")


def _kinds(facts: Sequence[Seen]) -> str:
    """How many logons of each kind."""
    kinds = [f"{seen.logon.mechanism.shown} ({seen.logon.mechanism.exposes})" for seen in facts]
    return f"1 with {kinds[0]}" if len(kinds) == 1 else listed([f"{number} with {kind}" for kind, number in Counter(kinds).items()])


@once
def _is_claimed(tell: Tell[Seen]) -> bool:
    return claims_proxy(tell.evidence, tell.connections)


OPINION = Opinion(
    title=lambda tell: f"Credentials that proxy {_proxy(tell)} could see",
    name="Credentials that a proxy could see",
    severity=Severity.INFO,
    confidence=lambda tell: 0.9 if _is_claimed(tell) else 1.0,
    owner=Owner.PROXY,
    reference=microsoft.PROXY_SEES_ALL,
    advice=(
        "Prefer what shows the proxy nothing: HTTPS in a CONNECT tunnel (-UseSSL, port 5986). If this proxy should be compromised, change the passwords of the "
        "accounts named here."
    ),
    see=see,
    why=why,
    each=each,
)
