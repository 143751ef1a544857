"""The tables of a case by their names, each as an attribute that notebooks complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class NamedTables(ABC):
    """``case.findings`` is ``case.table("findings")``."""

    @abstractmethod
    def table(self, name: str) -> pd.DataFrame:
        """The table of that name."""

    @property
    def captures(self) -> pd.DataFrame:
        """One row per input file. The files are hashed when this is first asked for."""
        return self.table("captures")

    @property
    def connections(self) -> pd.DataFrame:
        """One row per TCP connection that was kept."""
        return self.table("connections")

    @property
    def conflicts(self) -> pd.DataFrame:
        """Places of TCP streams for which packets have different bytes."""
        return self.table("conflicts")

    @property
    def keys(self) -> pd.DataFrame:
        """What became of each password, hash and key that was given."""
        return self.table("keys")

    @property
    def drops(self) -> pd.DataFrame:
        """Packets that Windows dropped, as a trace of pktmon tells."""
        return self.table("drops")

    @property
    def tls(self) -> pd.DataFrame:
        """One row per TLS connection: what was offered and chosen, the certificate, alerts, how far it came."""
        return self.table("tls")

    @property
    def exchanges(self) -> pd.DataFrame:
        """One row per HTTP request with its response."""
        return self.table("exchanges")

    @property
    def hops(self) -> pd.DataFrame:
        """One row per exchange recognised on both sides of a proxy."""
        return self.table("hops")

    @property
    def authentications(self) -> pd.DataFrame:
        """One row per authentication."""
        return self.table("authentications")

    @property
    def messages(self) -> pd.DataFrame:
        """One row per HTTP body."""
        return self.table("messages")

    @property
    def shells(self) -> pd.DataFrame:
        """One row per shell whose messages could be read."""
        return self.table("shells")

    @property
    def commands(self) -> pd.DataFrame:
        """One row per WinRS command or PowerShell pipeline."""
        return self.table("commands")

    @property
    def streams(self) -> pd.DataFrame:
        """One row per piece of a command's input and output."""
        return self.table("streams")

    @property
    def files(self) -> pd.DataFrame:
        """One row per file that commands moved to or from a server."""
        return self.table("files")

    @property
    def operations(self) -> pd.DataFrame:
        """One row per operation on a CIM class or another resource that is no shell."""
        return self.table("operations")

    @property
    def subscriptions(self) -> pd.DataFrame:
        """One row per subscription to events and source that got it."""
        return self.table("subscriptions")

    @property
    def deliveries(self) -> pd.DataFrame:
        """One row per message of event forwarding."""
        return self.table("deliveries")

    @property
    def events(self) -> pd.DataFrame:
        """One row per event of Windows that a source sent to its collector."""
        return self.table("events")

    @property
    def proxies(self) -> pd.DataFrame:
        """One row per proxy: the scorecard of what Microsoft's page asks of it."""
        return self.table("proxies")

    @property
    def parties(self) -> pd.DataFrame:
        """One row per machine or service in a role."""
        return self.table("parties")

    @property
    def hosts(self) -> pd.DataFrame:
        """One row per address that takes part, with its names and roles."""
        return self.table("hosts")

    @property
    def names(self) -> pd.DataFrame:
        """One row per name of an address and where it was read."""
        return self.table("names")

    @property
    def host_events(self) -> pd.DataFrame:
        """One row per event of a host's log that belongs to what the packets show."""
        return self.table("host_events")

    @property
    def clocks(self) -> pd.DataFrame:
        """One row per server, proxy or KDC that told its time: its clock and the capture's."""
        return self.table("clocks")

    @property
    def logons(self) -> pd.DataFrame:
        """One row per logon of a client, over both sides of a proxy."""
        return self.table("logons")

    @property
    def requests(self) -> pd.DataFrame:
        """One row per WinRM request of a client, with what became of it."""
        return self.table("requests")

    @property
    def findings(self) -> pd.DataFrame:
        """One row per finding, the most severe first."""
        return self.table("findings")

    @property
    def incidents(self) -> pd.DataFrame:
        """One row per incident: findings of one cause, the most severe first."""
        return self.table("incidents")

    @property
    def issues(self) -> pd.DataFrame:
        """One row per oddity of the evidence."""
        return self.table("issues")

    @property
    def timeline(self) -> pd.DataFrame:
        """Exchanges, authentications and findings in order of time."""
        return self.table("timeline")
