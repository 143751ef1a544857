"""A CredSSP logon fails, and what shows of the reason.

Detects
    A CredSSP logon that was not accepted, with an alert of its inner TLS in clear, or (with a key log) the errorCode
    and versions of its TSRequests. Without either, a logon that stopped after its inner TLS was up is told with the
    possibilities.
Impact
    All that CredSSP says is inside TLS in the header, so that the outside shows only 401. The reasons differ: a
    certificate, a TLS version, the password, a policy that forbids delegation, or a version of CredSSP that is too
    old (the remediation of CVE-2018-0886).
False positives
    A client that gives up by itself, for example because of its own policy, leaves the same trace; without a key log
    this is said.
Requires
    The logon's headers; for the errorCode a key log of the inner TLS.
References
    MS-CSSP sections 2.2.1 and 3.1.5; Microsoft, "CredSSP updates for CVE-2018-0886".
"""

from analyzer.codes.table import Code, ntstatus
from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.rules.reading import counted, first_packet, name, request, response, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_FAILED = (Outcome.REFUSED, Outcome.UNFINISHED, Outcome.ABANDONED)
_HARMLESS = "close_notify"
_SAFE_VERSION = 5
"""From this version on the public key is checked against the nonce, which the remediation asks for (MS-CSSP section 3.1.5)."""


class Failure(Fact, frozen=True):
    """A CredSSP logon that was not accepted: alerts in clear (who sent it, its name), the error that the server named."""

    spoken: Conversation
    alerts: tuple[tuple[str, str], ...]
    error: Code | None
    number: int | None
    encrypted: bool
    """The inner TLS was up: application data went both ways."""


def see(evidence: Evidence) -> Signs[Failure]:
    """CredSSP logons that failed with something to tell, on the client's side where that is known."""
    for spoken in evidence.conversations:
        own = spoken.mechanism is Mechanism.CREDSSP and spoken.audience is Audience.SERVER and spoken.outcome in _FAILED
        if not own or spoken.connection not in evidence.winrm or any(identity in evidence.far for identity in spoken.exchanges):
            continue
        failure = _failure(spoken)
        if failure.alerts or failure.number or (failure.encrypted and spoken.outcome is Outcome.REFUSED):
            last = evidence.exchanges[spoken.exchanges[-1]]
            yield Sign(
                failure,
                spoken.exchanges,
                (*first_packet(request(last)), *first_packet(response(last))),
                user=who(spoken),
            )


def _failure(spoken: Conversation) -> Failure:
    tokens = [(step.from_client, step.token.tls) for step in spoken.steps if step.token is not None and step.token.tls is not None]
    alerts = tuple(("client" if ours else "server", alert) for ours, records in tokens for alert in records.alerts if alert != _HARMLESS)
    both = {ours for ours, records in tokens if "application_data" in records.contents}
    number = None if spoken.credssp is None else spoken.credssp.error_code
    return Failure(spoken, alerts, None if number is None else ntstatus(number), number, len(both) > 1)


def title(tell: Tell[Failure]) -> str:
    first = tell.first.fact
    if first.number:
        return f"CredSSP logon failed: {first.error.symbol if first.error else f'0x{first.number:08X}'}"
    if first.alerts:
        return f"CredSSP logon failed: TLS alert {first.alerts[0][1]} of the {first.alerts[0][0]}"
    return "CredSSP logon refused, with the reason inside its TLS"


def why(tell: Tell[Failure]) -> str:
    first, own = tell.first.fact, tell.connection
    user = f" of {tell.users[0]}" if tell.users else ""
    begin = f"{counted(tell.count, 'CredSSP logon')}{user} from {own.client.host} to {own.server} failed, the first in "
    begin += f"{tell.packet(tell.first.packets[-1])}."
    return f"{begin}{_alert(first)}{_error(first)}{_versions(first)}{_unknown(first)} [{first.spoken.id} on {name(own)}]"


def _alert(failure: Failure) -> str:
    return "".join(f" The {side} ended the inner TLS with the alert {alert}." for side, alert in failure.alerts[:2])


def _error(failure: Failure) -> str:
    if not failure.number:
        return ""
    meaning = f", {failure.error.symbol}: {failure.error.meaning}" if failure.error is not None else "."
    return f" The server's errorCode is 0x{failure.number:08X}{meaning}"


def _versions(failure: Failure) -> str:
    told = failure.spoken.credssp
    if told is None or told.client_version is None or told.server_version is None:
        return ""
    old = [side for side, version in (("client", told.client_version), ("server", told.server_version)) if version < _SAFE_VERSION]
    early = f" The {' and the '.join(old)} lack{'s' if len(old) == 1 else ''} the update for CVE-2018-0886 (version 5 or later)." if old else ""
    return f" The client speaks CredSSP version {told.client_version}, the server {told.server_version}.{early}"


def _unknown(failure: Failure) -> str:
    if failure.alerts or failure.number:
        return ""
    return (
        " The inner TLS was up, so its certificate and version are not the cause. Whether the password, a policy "
        "or the version of CredSSP is, cannot be "
        "told without a key log."
    )


def advice(tell: Tell[Failure]) -> str:
    first = tell.first.fact
    if first.error is not None:
        return first.error.remedy
    if first.alerts:
        return "Compare the TLS versions, ciphers and the WinRM service's certificate (winrm get winrm/config/service, CertificateThumbprint) of both sides."
    return (
        "Check the password and the server's Security log (event 4625); the policy Encryption Oracle Remediation "
        "and updates of both sides; and on "
        "the client the policy Allow delegating fresh credentials (WSMAN/server). A key log of the inner TLS "
        "(--keylog) shows the server's errorCode."
    )


OPINION = Opinion(
    title=title,
    name="A CredSSP logon fails",
    severity=Severity.MEDIUM,
    confidence=lambda tell: 0.9 if tell.first.fact.alerts or tell.first.fact.number else 0.6,
    owner=Owner.SERVER,
    reference="MS-CSSP section 3.1.5",
    advice=advice,
    see=see,
    why=why,
    explains=("auth.credentials-refused", "auth.loop"),
)
