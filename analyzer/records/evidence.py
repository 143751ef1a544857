"""Everything that was read, as rules, tables and reports see it: one frozen record with look-ups by id."""

from collections.abc import Mapping

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.capture import Capture, IcmpError
from analyzer.records.files import MovedFile
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcMessage
from analyzer.records.proxy import Hop, Role, Route
from analyzer.records.sealing import Message
from analyzer.records.secrets import KeyUse
from analyzer.records.sigma import Sighting, SigmaHit
from analyzer.records.story import Story
from analyzer.records.transport import Connection
from analyzer.records.waiting import Unanswered
from analyzer.records.wsman import Command, Shell


class Evidence(Struct, frozen=True, gc=False):
    """All records of a run. Tuples are ordered by place (capture, first packet); mappings are keyed by id and keep that order.

    ``winrm``: ids of connections that carry WinRM (or the authentication of a proxy on the way to it); the others were kept only because they authenticate
    over HTTP. ``near``/``far``: the hops in which an exchange is the client's leg / the upstream leg.
    """

    captures: tuple[Capture, ...]
    connections: Mapping[str, Connection]
    exchanges: Mapping[str, Exchange]
    exchanges_of: Mapping[str, tuple[Exchange, ...]]
    messages: Mapping[str, Message]
    conversations: tuple[Conversation, ...]
    conversations_of: Mapping[str, tuple[Conversation, ...]]
    hops: tuple[Hop, ...]
    near: Mapping[str, Hop]
    far: Mapping[str, Hop]
    routes: tuple[Route, ...]
    roles: Mapping[str, Role]
    winrm: frozenset[str]
    issues: tuple[Issue, ...]
    winrm_exchanges: frozenset[str] = frozenset()
    """Ids of the exchanges that are WinRM's: a connection that a proxy shares carries others, too."""
    shells: tuple[Shell, ...] = ()
    commands: tuple[Command, ...] = ()
    """What was run, as far as bodies could be read."""
    files: tuple[MovedFile, ...] = ()
    """Files that commands moved, in order of time."""
    icmp: Mapping[str, tuple[IcmpError, ...]] = {}
    """ICMP errors by the id of the connection that they quote, in order of time."""
    unanswered: tuple[Unanswered, ...] = ()
    """Requests that got no answer, at most one of each connection."""
    kdc: tuple[KdcMessage, ...] = ()
    """What clients and key distribution centers said to each other, in order of time; empty where there is no WinRM."""
    story: Story = Story()
    """What the whole comes to: parties, logons, what became of each request, endings."""
    product: str | None = None
    """The proxy product that the user named."""
    sigma_hits: tuple[SigmaHit, ...] = ()
    """What the user's own Sigma rules say of it."""
    keys: tuple[KeyUse, ...] = ()
    """What became of each password, hash and key that was given."""
    sightings: tuple[Sighting, ...] = ()
    """The lines of commands, scripts and input that rules look for."""


def captures_only(captures: tuple[Capture, ...], issues: tuple[Issue, ...]) -> Evidence:
    """The evidence of captures in which no connection of interest was found."""
    return Evidence(captures, {}, {}, {}, {}, (), {}, (), {}, {}, (), {}, frozenset(), issues)
