"""What the rules on two sets of credentials share: what a client told the proxy and what it told the server, over one connection or its tunnel."""

from collections.abc import Callable

from analyzer.records.auth import Audience, Conversation
from analyzer.rules.asking import server_words
from analyzer.rules.reading import first_packet, request, who
from analyzer.rules.telling import Evidence, Fact, Sign, Signs, Tell


class Both(Fact, frozen=True):
    """What a client told the proxy, and what it told the server."""

    proxy: Conversation
    server: Conversation

    @property
    def same(self) -> bool:
        """The same user; a domain that only one of them names makes no difference."""
        one, other = self.proxy.client, self.server.client
        domains = {domain.lower() for domain in (one.domain, other.domain) if domain}
        return (one.user or "").lower() == (other.user or "").lower() and len(domains) < _TWO


_TWO = 2


def signs(evidence: Evidence, wanted: Callable[[Both], bool]) -> Signs[Both]:
    """One sign for each logon to a server, with the first one to the proxy before it, where both names are visible."""
    to_proxies = any(found.audience is Audience.PROXY for found in evidence.conversations)
    for connection in evidence.connections.values() if to_proxies else ():
        if connection.id not in evidence.winrm:
            continue
        outer = connection.tunnel_of or connection.id
        proxies = [found for found in evidence.conversations_of.get(outer, ()) if found.audience is Audience.PROXY and who(found)]
        for server in evidence.conversations_of.get(connection.id, ()) if proxies else ():
            both = Both(proxies[0], server)
            if server.audience is Audience.SERVER and who(server) and wanted(both):
                yield _sign(evidence, both)


def _sign(evidence: Evidence, both: Both) -> Sign[Both]:
    exchanges = both.proxy.exchanges[0], both.server.exchanges[-1]
    packets = tuple(key for identity in exchanges for key in first_packet(request(evidence.exchanges[identity])))
    return Sign(both, exchanges, packets, (both.proxy.connection, both.server.connection), who(both.server))


def told(tell: Tell[Both]) -> str:
    """Which credentials went to whom, and where."""
    both, first = tell.first.fact, tell.first
    at = [tell.packet(key) for key in first.packets] or ["not captured"]
    return (
        f"{tell.connection.client.host} gave the proxy {server_words(tell.connection)} {both.proxy.mechanism.shown} credentials of "
        f"{who(both.proxy)} ({at[0]}, {first.exchanges[0]}). It gave the server {both.server.mechanism.shown} credentials of "
        f"{who(both.server)} ({at[-1]}, {first.exchanges[-1]})."
    )
