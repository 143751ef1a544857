"""Kerberos tokens: the GSS framing of RFC 4121 section 4.1 (``60 length 06 09 OID``, token id, message), or the bare message as SPNEGO peers send it.

An AP-REQ names the service and the realm and shows its encryption types in clear; who the client is lies inside of the ticket. The message's kind is known from
the token id or the application tag alone, so a cut token still has it.
"""

import hashlib

from analyzer.auth.schemes import der, pyspnego_adapter
from analyzer.auth.schemes.reading import Reading, unreadable
from analyzer.records.auth import KerberosToken
from analyzer.records.quality import Absent

_TAGS = {0x6E: "AP-REQ", 0x6F: "AP-REP", 0x7E: "KRB-ERROR"}
"""[APPLICATION 14], 15 and 30 (RFC 4120 section 5.10)."""
_TOKEN_IDS = {b"\x01\x00": "AP-REQ", b"\x02\x00": "AP-REP", b"\x03\x00": "KRB-ERROR"}
"""RFC 4121 section 4.1."""


def kind(raw: bytes) -> str | None:
    """``AP-REQ``, ``AP-REP`` or ``KRB-ERROR``, or None when ``raw`` is no such message; only the first bytes are looked at."""
    framed = der.frame(raw)
    if framed is not None:
        return _TOKEN_IDS.get(framed.token[:2]) if framed.oid in der.KERBEROS_OIDS else None
    return _TAGS.get(raw[0]) if raw else None


def message(raw: bytes) -> Reading[KerberosToken]:
    """The Kerberos message in ``raw``, framed or bare."""
    framed = der.frame(raw)
    inner = raw if framed is None else framed.token[2:]
    name = kind(raw)
    if name == "AP-REQ":
        reading = _ap_req(inner)
    elif name == "AP-REP":
        reading = _ap_rep(inner)
    elif name == "KRB-ERROR":
        reading = _error(inner)
    else:
        reading = unreadable("no AP-REQ, AP-REP or KRB-ERROR")
    return reading


def _ap_req(raw: bytes) -> Reading[KerberosToken]:
    value, complaint = pyspnego_adapter.ap_req(raw)
    if isinstance(value, Absent):
        return Reading(value, complaint)
    token = KerberosToken(
        "AP-REQ",
        realm=value.realm,
        spn="/".join(value.service),
        etype=value.etype,
        authenticator_etype=value.authenticator_etype,
        kvno=value.kvno,
        mutual_required=value.mutual_required,
        ticket=None if value.cipher is None else hashlib.sha256(value.cipher).digest(),
    )
    return Reading(token, complaint)


def _ap_rep(raw: bytes) -> Reading[KerberosToken]:
    value, complaint = pyspnego_adapter.ap_rep(raw)
    if isinstance(value, Absent):
        return Reading(value, complaint)
    return Reading(KerberosToken("AP-REP", authenticator_etype=value), complaint)


def _error(raw: bytes) -> Reading[KerberosToken]:
    value, complaint = pyspnego_adapter.krb_error(raw)
    if isinstance(value, Absent):
        return Reading(value, complaint)
    spn = "/".join(value.service) or None
    return Reading(KerberosToken("KRB-ERROR", realm=value.realm, spn=spn, error_code=value.code, server_ns=value.server_ns), complaint)
