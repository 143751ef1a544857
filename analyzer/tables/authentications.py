"""The table ``authentications``: one row per authentication, from the first credentials to the status that ends them."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.codes.table import in_hex
from analyzer.records.auth import Conversation, CredsspFacts, Mechanism
from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set
from analyzer.tables.times import seconds


class AuthenticationRow(Struct, frozen=True, gc=False):
    """A conversation, the captures of the run, and the tag of its Basic credentials."""

    conversation: Conversation
    captures: Sequence[Capture]
    tag: str | None


def _rows(result: Result) -> Iterator[AuthenticationRow]:
    """Equal Basic credentials get equal tags, numbered in order of appearance: a reused password shows, and nothing can be checked against the tag."""
    tags: dict[bytes, str] = {}
    for conversation in result.evidence.conversations:
        digest = credentials(conversation)
        tag = None if digest is None else tags.setdefault(digest, f"s{len(tags) + 1}")
        yield AuthenticationRow(conversation, result.evidence.captures, tag)


def credentials(conversation: Conversation) -> bytes | None:
    """The digest of what Basic sent; None where it sent nothing."""
    tokens = (step.token for step in conversation.steps)
    return next((token.digest for token in tokens if token and token.mechanism is Mechanism.BASIC and token.step != "offer"), None)


def _packets(row: AuthenticationRow) -> str | None:
    return packet_set((key for step in row.conversation.steps for key in step.packets), row.captures)


def _credssp(row: AuthenticationRow) -> CredsspFacts:
    return row.conversation.credssp or CredsspFacts()


_COLUMNS: tuple[Column[AuthenticationRow], ...] = (
    Column("authentication_id", Dtype.TEXT, lambda row: row.conversation.id, "`c42.a1` is the first authentication on connection `c42`."),
    Column("connection_id", Dtype.TEXT, lambda row: row.conversation.connection, "The connection."),
    Column("first_exchange_id", Dtype.TEXT, lambda row: next(iter(row.conversation.exchanges), None), "The exchange with the first credentials or token."),
    Column("last_exchange_id", Dtype.TEXT, lambda row: next(reversed(row.conversation.exchanges), None), "The exchange that ended it, or the last one seen."),
    Column("audience", Dtype.TEXT, lambda row: row.conversation.audience.value, "`server` (401, Authorization) or `proxy` (407, Proxy-Authorization)."),
    Column("scheme", Dtype.TEXT, lambda row: row.conversation.scheme, "The header's word, for example Negotiate."),
    Column(
        "mechanism",
        Dtype.TEXT,
        lambda row: None if row.conversation.mechanism is Mechanism.UNKNOWN else row.conversation.mechanism.value,
        "What the tokens are: `basic`, `digest`, `ntlm`, `kerberos`, `credssp`, `certificate`; null when they cannot be told.",
    ),
    Column(
        "outcome",
        Dtype.TEXT,
        lambda row: row.conversation.outcome.value,
        "`accepted`, `refused`, `not_examined` (the HTTP layer answered), `unfinished` (the capture or connection ended first) or `abandoned`.",
    ),
    Column("round_trips", Dtype.INTEGER, lambda row: row.conversation.round_trips, "Requests that carried credentials or a token."),
    Column(
        "duration_s",
        Dtype.NUMBER,
        lambda row: seconds(row.conversation.last_ns - row.conversation.first_ns),
        "From the first credentials to the last step seen.",
    ),
    Column("user", Dtype.TEXT, lambda row: row.conversation.client.user, "The user name sent; empty when an empty one was sent."),
    Column("domain", Dtype.TEXT, lambda row: row.conversation.client.domain, "The domain sent."),
    Column("workstation", Dtype.TEXT, lambda row: row.conversation.client.workstation, "The workstation name sent (NTLM). The client chooses it freely."),
    Column("target_name", Dtype.TEXT, lambda row: row.conversation.target_name, "The service that the NTLMv2 response names (MsvAvTargetName)."),
    Column("spn", Dtype.TEXT, lambda row: row.conversation.spn, "The service principal name of the Kerberos ticket."),
    Column("realm", Dtype.TEXT, lambda row: row.conversation.realm, "The Kerberos realm, or the realm of Basic or Digest."),
    Column("ntlm_version", Dtype.TEXT, lambda row: row.conversation.ntlm_version, "`ntlmv1`, `ntlmv1-ess`, `ntlmv2` or `anonymous`."),
    Column("etype", Dtype.INTEGER, lambda row: row.conversation.etype, "Encryption type of the Kerberos ticket: 18 and 17 AES, 23 RC4."),
    Column("signing", Dtype.FLAG, lambda row: row.conversation.signing, "Signing was negotiated (NTLM)."),
    Column("sealing", Dtype.FLAG, lambda row: row.conversation.sealing, "Sealing, that is encryption, was negotiated (NTLM)."),
    Column("mic", Dtype.FLAG, lambda row: row.conversation.mic, "The last NTLM message carries an integrity code over all three."),
    Column("channel_binding", Dtype.FLAG, lambda row: row.conversation.channel_binding, "The client bound the authentication to a TLS channel."),
    Column("server_name", Dtype.TEXT, lambda row: row.conversation.server_name, "The server's name as its NTLM challenge gives it."),
    Column(
        "server_os_build", Dtype.TEXT, lambda row: row.conversation.server_os_build, "The server's Windows version and build as its NTLM challenge gives it."
    ),
    Column(
        "secret_tag",
        Dtype.TEXT,
        lambda row: row.tag,
        "Basic only: `s1`, `s2` and so on, equal where user and password are equal. It says nothing about the password itself.",
    ),
    Column(
        "key_used", Dtype.TEXT, lambda row: row.conversation.secret, "The tag of the password, hash or key that was given and was proved to be this logon's."
    ),
    Column("first_time", Dtype.TIME, lambda row: row.conversation.first_ns, "Time of the first step."),
    Column("last_time", Dtype.TIME, lambda row: row.conversation.last_ns, "Time of the last step."),
    Column("final_status", Dtype.INTEGER, lambda row: row.conversation.final_status, "The status that ended it."),
    Column("over_tls", Dtype.FLAG, lambda row: row.conversation.over_tls, "The connection was inside TLS."),
    Column(
        "offers",
        Dtype.TEXT,
        lambda row: ",".join(row.conversation.offers) or None,
        "Schemes that the peer offered before or during it, in order, comma-joined.",
    ),
    Column("credssp_client_version", Dtype.INTEGER, lambda row: _credssp(row).client_version, "The client's version of CredSSP, where a key log opens it."),
    Column("credssp_server_version", Dtype.INTEGER, lambda row: _credssp(row).server_version, "The server's version of CredSSP."),
    Column("credssp_error", Dtype.TEXT, lambda row: in_hex(_credssp(row).error_code), "The NTSTATUS that the server gave inside CredSSP."),
    Column("capture", Dtype.TEXT, lambda row: row.captures[row.conversation.capture].name, "The capture's name."),
    Column("packets", Dtype.TEXT, _packets, "Packets that carried its headers, as a set for `frame.number in {...}`."),
)

AUTHENTICATIONS = Table(
    name="authentications",
    means="One row per authentication of a client to a server or a proxy. It belongs to one connection, as its security context does.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("authentication_id", "audience", "scheme", "mechanism", "outcome", "round_trips", "domain", "user", "workstation", "packets"),
)
