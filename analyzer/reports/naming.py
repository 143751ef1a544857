"""Names next to addresses: ``10.0.0.5 (srv01.contoso.com)``. The address always stands, because a name is only a claim."""

from analyzer.formats.text import visible
from analyzer.records.evidence import Evidence
from analyzer.records.names import Host, HostName

_HOSTS = 2
_LONGEST = 60
"""Characters of a name; a longer one is cut."""


_LAST: list[tuple[tuple[Host, ...], dict[str, Host]]] = []
"""The hosts that were asked for last, by address: one report asks for each of them."""


def _by_address(hosts: tuple[Host, ...]) -> dict[str, Host]:
    if not _LAST or _LAST[0][0] is not hosts:
        _LAST[:] = [(hosts, {host.address: host for host in hosts})]
    return _LAST[0][1]


def name_of(evidence: Evidence, address: str) -> str:
    """What stands in brackets next to an address: its name, by whom where anyone could say so, and that another address has it, too. Empty without one."""
    host = _by_address(evidence.story.hosts).get(address)
    return shown(host.names[0]) if host is not None and host.names else ""


def shown(name: HostName) -> str:
    """One name as `name_of` tells it."""
    text = visible(name.name)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    by = f", by {name.source.value}" if name.source.by_anyone else ""
    also = f", also {name.elsewhere[0]}'s" if name.elsewhere else ""
    return text + by + also


def named(evidence: Evidence, address: str) -> str:
    """The address, and its name next to it."""
    name = name_of(evidence, address)
    return f"{address} ({name})" if name else address


def hosts_told(evidence: Evidence) -> str:
    """``server 10.0.0.5 (srv01.contoso.com), client 10.0.0.1 (WKS01)``: addresses that have a name, clients last; empty where none has."""
    ours = sorted((host for host in evidence.story.hosts if host.names), key=lambda host: "client" in host.roles)
    told = [f"{' and '.join(host.roles)} {host.address} ({shown(host.names[0])})".strip() for host in ours[:_HOSTS]]
    more = f" and {len(ours) - _HOSTS:,} more (table hosts)" if len(ours) > _HOSTS else ""
    return ", ".join(told) + more
