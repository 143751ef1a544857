"""Authentication state of one TCP connection, as HTTP.sys keeps it.

Strategy: a pyspnego acceptor per handshake; a connection that finished one stays authenticated, and requests without
`Authorization` on it are accepted as that user. That is what makes sharing between clients visible. A token that does
not fit the state is answered with the plain challenges, as a real server does when the affinity is lost.
"""

import base64
import binascii
from dataclasses import dataclass, field

import spnego
import spnego._ntlm
from spnego._ntlm_raw.messages import AvId, Challenge, FileTime, NegotiateFlags, TargetInfo, Version
from spnego.exceptions import SpnegoError

from lab.accounts import ACCOUNTS, DNS_DOMAIN, DOMAIN, SERVER_HOST, SERVER_NAME


@dataclass(slots=True)
class Login:
    """What the server knows about a connection's user."""

    schemes: tuple[str, ...]
    service: str = "HTTP"
    credssp_keylog: str | None = None
    context: spnego.ContextProxy | None = None
    scheme: str = ""
    user: str | None = None
    mechanism: str | None = None
    tokens: int = 0
    no_ntlm: bool = False
    """NTLM is blocked by policy: its tokens are answered by the plain challenges."""


@dataclass(slots=True)
class Verdict:
    """What one request's credentials came to. `token` goes into WWW-Authenticate of the answer, whatever its status."""

    user: str | None
    challenge: list[str] = field(default_factory=list)
    token: str | None = None
    error: str | None = None
    mechanism: str | None = None


def _windows_challenge(flags: int, server_challenge: bytes, **_: object) -> Challenge:
    """A challenge as a domain member sends it; pyspnego's own names the domain WORKSTATION and has no DNS names."""
    info = TargetInfo()
    info[AvId.nb_domain_name] = DOMAIN
    info[AvId.nb_computer_name] = SERVER_NAME
    info[AvId.dns_domain_name] = DNS_DOMAIN
    info[AvId.dns_computer_name] = SERVER_HOST
    info[AvId.dns_tree_name] = DNS_DOMAIN
    info[AvId.timestamp] = FileTime.now()
    flags = (flags & ~NegotiateFlags.target_type_server) | NegotiateFlags.target_type_domain | NegotiateFlags.version
    return Challenge(flags, server_challenge, target_name=DOMAIN, target_info=info, version=Version(major=10, minor=0, build=20348))


spnego._ntlm.Challenge = _windows_challenge  # noqa: SLF001 - the acceptor has no other way to choose its names


def challenges(login: Login) -> list[str]:
    """The plain WWW-Authenticate values."""
    return ['Basic realm="WSMAN"' if scheme == "Basic" else scheme for scheme in login.schemes]


def _basic(login: Login, value: str) -> Verdict:
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        return Verdict(None, challenges(login), error=str(error))
    short = user.split("\\")[-1]
    if any(account.user == short and account.password == password for account in ACCOUNTS):
        return Verdict(user, mechanism="basic")
    return Verdict(None, challenges(login), error="wrong password", mechanism="basic")


def _starts_handshake(token: bytes) -> bool:
    return token.startswith(b"NTLMSSP\0\1") or token[:1] == b"\x60" or token[:3] in (b"\x16\x03\x01", b"\x16\x03\x03")


def _new_context(login: Login, scheme: str) -> spnego.ContextProxy:
    protocol = {"kerberos": "kerberos", "credssp": "credssp"}.get(scheme.lower(), "negotiate")
    context = spnego.server(hostname=SERVER_HOST, service=login.service, protocol=protocol)
    if protocol == "credssp" and login.credssp_keylog:
        context.get_extra_info("sslcontext").keylog_filename = login.credssp_keylog
    return context


def _mechanism(login: Login) -> str:
    if login.scheme.lower() == "credssp":
        return "credssp"
    word = str(login.context.negotiated_protocol or "ntlm") if login.context else "ntlm"
    return "kerberos" if "kerberos" in word else "ntlm"


def check(login: Login, authorization: str | None) -> Verdict:
    """The verdict over one request; moves the connection's state."""
    if authorization is None:
        if login.user:
            return Verdict(login.user, mechanism=login.mechanism)
        return Verdict(None, challenges(login))
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() not in [word.lower() for word in login.schemes]:
        return Verdict(None, challenges(login), error=f"scheme {scheme} is not offered")
    if scheme.lower() == "basic":
        return _basic(login, value)
    try:
        token = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        return Verdict(None, challenges(login), error=str(error))
    return _stepped(login, scheme, token)


def _stepped(login: Login, scheme: str, token: bytes) -> Verdict:
    """The handshake's next step."""
    if login.no_ntlm and b"NTLMSSP\0" in token:
        return Verdict(None, challenges(login), error="NTLM is blocked", mechanism="ntlm")
    finished = login.context is not None and login.context.complete
    if login.context is None or finished or (_starts_handshake(token) and scheme.lower() != "credssp"):
        login.context, login.scheme, login.user, login.tokens = _new_context(login, scheme), scheme, None, 0
    login.tokens += 1
    try:
        reply = login.context.step(token)
    except (SpnegoError, ValueError, StopIteration) as error:
        mechanism = _mechanism(login)
        login.context = None
        return Verdict(None, challenges(login), error=f"{type(error).__name__}: {error}", mechanism=mechanism)
    text = f"{scheme} {base64.b64encode(reply or b'').decode()}"
    if not login.context.complete:
        return Verdict(None, [text], mechanism=_mechanism(login))
    login.user, login.mechanism = login.context.client_principal, _mechanism(login)
    return Verdict(login.user, token=text if reply else None, mechanism=login.mechanism)
