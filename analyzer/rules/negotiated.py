"""Opinions in the scope of every application that authenticates by Negotiate, NTLM or Kerberos over HTTP: which are asked, and how they are told.

Connections, logons, proxies and affinity are the same for IIS, Exchange, TFS or a gateway of Remote Desktop as for WinRM: RFC 4559 and MS-NLMP do not know what
lies above. What rests on WS-Management, on shells, on encrypted bodies or on what a WinRM client does is not asked: a web server may answer with a page,
compress it, close a connection when it likes, and let anybody read it.
"""

import re
from collections.abc import Iterable

from msgspec.structs import replace

from analyzer.records.finding import Finding

RULES: dict[str, str | None] = {
    "affinity.client-migrates": None,
    "affinity.context-mismatch": None,
    "affinity.handshake-interleaved": None,
    "affinity.handshake-split": None,
    "affinity.no-upstream-keepalive": None,
    "affinity.proxy-owned-identity": None,
    "affinity.shared-authenticated-upstream": None,
    "attack.spray": None,
    "auth.basic-cleartext": "Change the password: it must be taken as known. Turn Basic off in the application, or allow it over HTTPS only.",
    "auth.challenge-merged": "Let the proxy pass WWW-Authenticate lines as they are. Or offer one scheme only.",
    "auth.challenge-stripped": None,
    "auth.context-lost": "Look for restarts of the application at that time, and for a device before it that spreads the requests of one connection.",
    "auth.credentials-refused": (
        "Check the user name, domain and password, and whether the account is locked, expired or not allowed to log on. "
        "The server's security log has the reason (event 4625 with its Status and Sub Status)."
    ),
    "auth.kdc-error": (
        "Use the name that the service is registered for, or register this one for the account that runs the application. Show who has it: setspn -Q SPN."
    ),
    "auth.kerberos-error": None,
    "auth.kerberos-weak-etype": None,
    "auth.negotiate-via-proxy-without-proxy-support": None,
    "auth.ntlm-blocked": None,
    "auth.ntlmv1": None,
    "auth.scheme-downgrade": None,
    "auth.spn-mismatch": (
        "Connect by the name that the service is registered for, or register the SPN of the alias (HTTP/ALIAS) for the account that runs the application."
    ),
    "auth.ticket-refused": None,
    "auth.token-altered": None,
    "auth.token-replayed": None,
    "capture.clock-skew": None,
    "capture.duplicates": None,
    "capture.file-cut": None,
    "capture.no-handshake": None,
    "capture.one-leg": None,
    "capture.one-sided": None,
    "capture.secret-did-not-open": None,
    "capture.snaplen": None,
    "http.1.0-downgrade": None,
    "http.content-length-dropped": None,
    "http.desync-indicator": None,
    "http.gateway-error": "Read the page and the proxy's log: they say which server did not answer, and why. Look at that server's load and log.",
    "http.gateway-timeout": "Let the proxy wait longer for a response than the slowest request takes, and look at the server's load and the application's log.",
    "http.h2-with-connection-auth": "Leave HTTP/1.1 as the only protocol for this application on both sides of the proxy.",
    "http.host-rewritten": None,
    "proxy.coverage-gap": None,
    "proxy.credential-exposure": None,
    "proxy.socks-refused": None,
    "proxyauth.cleartext-on-connect": None,
    "proxyauth.credentials-missing": "Give this client credentials for the proxy, or let the proxy pass requests for this server without them.",
    "proxyauth.over-plain-http": (
        "Use HTTPS to the server, so that the proxy is asked with CONNECT. Or let the proxy pass requests for this server without authentication."
    ),
    "proxyauth.socks-password-cleartext": None,
    "tcp.close-between-challenge-and-response": None,
    "tcp.connect-407-close": None,
    "tcp.device-reset": None,
    "tcp.icmp-error": None,
    "tcp.never-answered": (
        "Look at the server at the time of the request. Through a proxy, capture on its server side, too: the request may never have been forwarded."
    ),
    "tcp.path-mtu": None,
    "tcp.request-lost-after-auth": None,
    "tcp.response-truncated": None,
    "tcp.rst-after-2xx": None,
    "tcp.silent-drop": None,
    "tcp.upstream-idle-close": None,
    "tcp.zero-window": "Look at the host that does not read, at the time of these packets: its memory and processor, and what the program is waiting for.",
    "tls.alert": None,
    "tls.broken-off": None,
}
"""The rules that are asked, and the advice where theirs is about WinRM."""
_OWN = re.compile(r"(?<!Microsoft )(?<!Python )\b(a |A )?WinRM\b(?! [Cc]lient\b)('s)?( (?:requests?|responses?|connections?|packets?|messages?|servers?)\b)?")
_RIGHTS = "served them with the rights of the first one."
_MAYBE = "served them with the rights of the first one, unless the application lets anyone ask for this."


def told(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in the words of this scope."""
    return [
        replace(one, title=in_words(one.title), why=in_words(one.why).replace(_RIGHTS, _MAYBE), advice=RULES.get(one.rule) or in_words(one.advice))
        for one in findings
    ]


def in_words(text: str) -> str:
    """A sentence about WinRM as one about the application. Names of programs stay."""
    return _OWN.sub(_words, text)


def _words(found: re.Match[str]) -> str:
    article, owns, thing = found[1] or "", found[2] or "", found[3] or ""
    if thing:
        return f"{article}{thing.lstrip()}"
    return f"{'The' if article == 'A ' else 'the'} web application{owns}"
