"""A Kerberos ticket or its authenticator is encrypted with RC4 or DES.

Detects
    An AP-REQ whose ticket or authenticator has encryption type 23 or 24 (RC4) or 1 to 3 (DES), on a WinRM connection.
Impact
    An RC4 ticket is encrypted with the account's NT hash without salt: anyone who records it can guess the service
    account's password offline, and WinRM's messages are encrypted with RC4 as well. DES is broken.
False positives
    Never about the fact; old servers and accounts with msDS-SupportedEncryptionTypes unset still need it.
Requires
    The client's AP-REQ.
References
    RFC 8429 section 4; RFC 6649; MS-KILE 3.1.5.2.
"""

from analyzer.records.auth import Audience, KerberosToken, Step
from analyzer.rules.asking import server_words, spoken, where
from analyzer.rules.reading import counted, listed
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and

_WEAK = {1: "DES-CBC-CRC", 2: "DES-CBC-MD4", 3: "DES-CBC-MD5", 23: "RC4-HMAC", 24: "RC4-HMAC-EXP"}


class Weak(Fact, frozen=True):
    """An AP-REQ, and the weak type's name."""

    token: KerberosToken
    etype: str


def see(evidence: Evidence) -> Signs[Weak]:
    """One sign for each AP-REQ, to servers and to proxies."""
    for audience in Audience:
        for conversation in spoken(evidence, audience=audience):
            for step in conversation.steps:
                weak = _weak(step)
                if weak is not None:
                    yield Sign(weak, (step.exchange,), step.packets[:1], (conversation.connection,))


def _weak(step: Step) -> Weak | None:
    token = None if step.token is None else step.token.kerberos
    if not isinstance(token, KerberosToken) or token.message != "AP-REQ" or not step.packets:
        return None
    etype = next((_WEAK[number] for number in (token.etype, token.authenticator_etype) if number in _WEAK), None)
    return None if etype is None else Weak(token, etype)


def why(tell: Tell[Weak]) -> str:
    token = tell.first.fact.token
    return (
        f"{counted(tell.count, 'AP-REQ')} of {tell.connection.client.host} for {token.spn or 'a service without a name'} "
        f"{'uses' if tell.count == 1 else 'use'} {listed(weak.etype for weak in tell.facts)} (ticket {token.etype}, authenticator "
        f"{token.authenticator_etype}). The first, to {server_words(tell.connection)}, is {where(tell)}. "
        "Anyone who records it can try to guess the service account's password."
    )


OPINION = Opinion(
    title=lambda tell: f"Kerberos uses {'DES' if tell.first.fact.etype.startswith('DES') else 'RC4'} for {tell.connection.server.host}",
    name="Kerberos with RC4 or DES",
    severity=Severity.LOW,
    confidence=1.0,
    owner=Owner.SERVER,
    reference="RFC 8429 section 4",
    advice=(
        "Set msDS-SupportedEncryptionTypes of the service's account to AES (0x18). Change its password, so that AES keys "
        'exist. Forbid RC4 by the policy "Network security: Configure encryption types allowed for Kerberos".'
    ),
    attack=("T1558.003",),
    see=see,
    why=why,
    each=place_and(lambda weak: weak.token.spn),
)
