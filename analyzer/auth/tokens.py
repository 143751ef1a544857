"""Scheme word and token become one `Token`: the word says how to read the text, the bytes say which mechanism it is.

SCHEMES lists the words; those of a mechanism that is no handshake come from its file in `analyzer.auth.schemes`, by the
mechanism's name. Under the words that carry GSS-API or NTLM tokens the first bytes decide: ``NTLMSSP``, a TLS record, SPNEGO's
or Kerberos' frame; so a
raw NTLM token under ``Negotiate`` is NTLM, and one under ``Kerberos`` is NTLM too. A token that cannot be read keeps its scheme, size, digest and, where its
magic is whole, its mechanism and step. Words of schemes without a row (Bearer) give an unknown mechanism and an issue; their text is digested, not kept.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from analyzer.auth.headers import Challenge, Credentials, decoded
from analyzer.auth.schemes import credssp, kerberos, ntlm, spnego
from analyzer.auth.schemes.reading import MALFORMED, Complaint, Reading, TokenReading, complaints, plain
from analyzer.records.auth import KerberosToken, Mechanism, NtlmToken, SpnegoToken, TlsRecords, Token
from analyzer.records.quality import Absent, Known, Why
from analyzer.settings import Limits


class Scheme(Struct, frozen=True, gc=False):
    """A row of SCHEMES: the word (lower case) and what reads a client's credentials; None where they carry a mechanism's token, whose bytes tell which."""

    word: str
    read: Callable[[Credentials], TokenReading] | None = None


def _own(mechanism: Mechanism) -> Scheme:
    """The word and the reader of a mechanism whose credentials are whole in each request: ``WORD`` and ``token`` of its file."""
    found = import_module(f"analyzer.auth.schemes.{mechanism.value}")
    return Scheme(found.WORD, found.token)


SCHEMES = (
    *(_own(mechanism) for mechanism in Mechanism if not mechanism.lasting and mechanism is not Mechanism.UNKNOWN),
    *map(Scheme, ("ntlm", "negotiate", "kerberos", "credssp", "nego2")),
)

UNKNOWN_SCHEME = "auth.unknown-scheme"

_NTLM_STEPS = {ntlm.NEGOTIATE: "negotiate", ntlm.CHALLENGE: "challenge", ntlm.AUTHENTICATE: "authenticate"}


class _Content(NamedTuple):
    """What the bytes of a mechanism token are. ``step`` is "" where the bytes alone do not tell."""

    mechanism: Mechanism
    step: str
    complaint: str = ""
    ntlm: Known[NtlmToken] | None = None
    kerberos: Known[KerberosToken] | None = None
    spnego: SpnegoToken | None = None
    tls: TlsRecords | None = None


def is_known(scheme: str) -> bool:
    """Whether the word is of a scheme that is understood here."""
    return _row(scheme) is not None


def is_per_request(scheme: str) -> bool:
    """Whether every request carries the credentials anew, instead of a handshake that authenticates the connection."""
    row = _row(scheme)
    return row is None or row.read is not None


def credentials_token(sent: Credentials, limits: Limits) -> TokenReading:
    """The token of a client's credentials."""
    row = _row(sent.scheme)
    if row is None:
        unknown = Complaint(UNKNOWN_SCHEME, f"credentials of the scheme {sent.scheme[:60]}")
        return TokenReading(plain(sent, Mechanism.UNKNOWN), (unknown,))
    return _mechanism_token(sent, "authenticate", limits) if row.read is None else row.read(sent)


def challenge_token(challenge: Challenge, limits: Limits) -> TokenReading | None:
    """The token that a challenge carries back, or None when it is bare or of a scheme whose challenges carry parameters only."""
    if challenge.text is None or is_per_request(challenge.scheme):
        return None
    reading = _mechanism_token(challenge, "challenge", limits)
    return reading if reading.token.step == "challenge" else reading._replace(token=replace(reading.token, step="challenge"))


def begins_handshake(token: Token) -> bool:
    """Whether a client's token starts a security context: NTLM message 1, SPNEGO init, an AP-REQ, a TLS ClientHello."""
    if token.spnego is not None:
        return token.spnego.message == "init"
    if token.mechanism is Mechanism.KERBEROS:
        return isinstance(token.kerberos, Absent) or token.kerberos is None or token.kerberos.message == "AP-REQ"
    return token.step == "negotiate"


def rejects(token: Token) -> bool:
    """Whether a server's token ends the handshake: SPNEGO reject (RFC 4178 section 4.2.2) or a KRB-ERROR (RFC 4121 section 4.1)."""
    failed = isinstance(token.kerberos, KerberosToken) and token.kerberos.message == "KRB-ERROR"
    return failed or (token.spnego is not None and token.spnego.state == "reject")


_ROWS = {row.word: row for row in reversed(SCHEMES)}


def _row(scheme: str) -> Scheme | None:
    return _ROWS.get(scheme.lower())


def _mechanism_token(sent: Challenge, unclear_step: str, limits: Limits) -> TokenReading:
    """``unclear_step`` is the step of tokens that do not tell by themselves."""
    raw = decoded(sent.text or "") if sent.text or not sent.value else Absent(Why.MALFORMED, "parameters where a token should be")
    if isinstance(raw, Absent):
        as_sent = sent.value.encode("latin-1", "replace")
        token = Token(sent.scheme, Mechanism.UNKNOWN, unclear_step, len(as_sent), hashlib.sha256(as_sent).digest())
        return TokenReading(token, (Complaint(MALFORMED, f"{sent.scheme[:60]}: {raw.detail}"),))
    content = _remembered(raw, limits.token_bytes) if len(raw) <= _REMEMBERED else _content(raw, limits.token_bytes)
    token = Token(
        sent.scheme,
        content.mechanism,
        content.step or unclear_step,
        len(raw),
        hashlib.sha256(raw).digest(),
        ntlm=content.ntlm,
        kerberos=content.kerberos,
        spnego=content.spnego,
        tls=content.tls,
    )
    return TokenReading(token, complaints(content.complaint and f"{sent.scheme[:60]}: {content.complaint}"))


def _content(raw: bytes, most: int) -> _Content:
    if len(raw) > most:
        return _oversized(raw, f"a token of {len(raw)} bytes is over the limit token_bytes = {most}")
    if not raw:
        return _Content(Mechanism.UNKNOWN, "negotiate", "no token")
    if spnego.is_spnego(raw):
        return _spnego(raw)
    return _bare(raw)


_REMEMBERED = 8192
_remembered = lru_cache(maxsize=512)(_content)
"""Of tokens of so many bytes: both sides of a proxy carry the same ones, and a client's first one is the same each time."""


def _oversized(raw: bytes, detail: str) -> _Content:
    over = Absent(Why.OVER_LIMIT, detail)
    if raw.startswith(ntlm.MAGIC):
        return _Content(Mechanism.NTLM, _NTLM_STEPS.get(ntlm.message_type(raw) or 0, ""), detail, ntlm=over)
    if kerberos.kind(raw) is not None:
        return _Content(Mechanism.KERBEROS, "", detail, kerberos=over)
    return _Content(Mechanism.CREDSSP if credssp.looks_like_tls(raw) else Mechanism.UNKNOWN, "", detail)


def _spnego(raw: bytes) -> _Content:
    value, complaint = spnego.message(raw)
    if isinstance(value, Absent):
        return _Content(Mechanism.UNKNOWN, "negotiate" if spnego.begins(raw) else "", complaint)
    if not value.token:
        step = "negotiate" if value.spnego.message == "init" else ""
        return _Content(spnego.named_mechanism(value.spnego), step, complaint, spnego=value.spnego)
    # NegoEx and other mechanisms have tokens that are not read; the offer itself is in the wrapping.
    inner = _bare(value.token) if _is_readable(value.token) else _Content(spnego.named_mechanism(value.spnego), "")
    step = inner.step or ("negotiate" if value.spnego.message == "init" else "")
    return inner._replace(step=step, spnego=value.spnego, complaint=complaint or inner.complaint)


def _is_readable(raw: bytes) -> bool:
    return raw.startswith(ntlm.MAGIC) or kerberos.kind(raw) is not None


def _bare(raw: bytes) -> _Content:
    if raw.startswith(ntlm.MAGIC):
        message, complaint = ntlm.message(raw)
        return _Content(Mechanism.NTLM, _NTLM_STEPS.get(ntlm.message_type(raw) or 0, ""), complaint, ntlm=message)
    kind = kerberos.kind(raw)
    if kind is not None:
        ticket, complaint = kerberos.message(raw)
        return _Content(Mechanism.KERBEROS, "authenticate" if kind == "AP-REQ" else "", complaint, kerberos=ticket)
    if credssp.looks_like_tls(raw):
        return _credssp(credssp.records(raw))
    return _Content(Mechanism.UNKNOWN, "", f"a token of {len(raw)} bytes that is neither NTLM, SPNEGO, Kerberos nor TLS")


def _credssp(reading: Reading[TlsRecords]) -> _Content:
    value, complaint = reading
    if isinstance(value, Absent):
        return _Content(Mechanism.CREDSSP, "", complaint)
    return _Content(Mechanism.CREDSSP, "negotiate" if "client_hello" in value.handshakes else "", complaint, tls=value)
