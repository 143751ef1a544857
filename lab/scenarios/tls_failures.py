"""TLS that never comes up, that ends at a wrapper, or that somebody in between opens; with the healthy twins."""

from lab.scenario import Client, Proxy, Scenario, Server
from lab.scenarios.https import CHANNEL, INSIDE
from lab.scenarios.sets import NO_FAULT, NO_MIXUP

SESSION = {"username": "LAB\\alice", "auth": "ntlm", "commands": ["whoami", "hostname"], "pause_s": 0.1}
ONCE = {"username": "LAB\\alice", "auth": "ntlm", "commands": []}
NOT = (
    *NO_MIXUP,
    "auth.credentials-refused",
    "auth.loop",
    "auth.challenge-stripped",
    "tcp.close-after-auth-2xx",
    "http.gateway-error",
)
QUIET = (
    *NO_FAULT,
    "enc.plaintext-soap-direct",
    "enc.plaintext-soap-through-proxy",
    "proxy.tls-intercepted",
    "auth.basic-cleartext",
)
ODD = (
    "tcp.request-cut",
    "tls.alert",
    "tls.broken-off",
    "tcp.service-unreachable",
    "http.non-wsman-reply",
    "tcp.retry-storm",
)
TLS = Server(tls=True)
WRAPPED = (
    "enc.proxy-path-not-https",
    "auth.negotiate-via-proxy-without-proxy-support",
    "proxy.credential-exposure",
    *CHANNEL,
)


def _twice(action: str, options: dict[str, object]) -> tuple[tuple[Client, ...], ...]:
    return ((Client("wks01", action, options),),) * 2


def _failed(rule: str, name: str, description: str, options: dict[str, object], server: Server = TLS, **changes: object) -> Scenario:
    words: dict[str, object] = {
        "name": name,
        "description": description,
        "server": server,
        "phases": _twice("pypsrp-winrs", {**ONCE, **options}),
        "capture": "client-pcap",
        "expected_rules": (rule,),
        "forbidden_rules": NOT,
        "open_rules": ODD,
    }
    return Scenario(**{**words, **changes})  # type: ignore[arg-type]


VERIFIED = {"verify": True}
OLD = Server(tls=True, conduct={"tls_versions": ("TLSv1_2", "TLSv1_2")})

SCENARIOS = (
    _failed(
        "tls.https-to-http-port",
        "https-to-5985",
        "The client speaks HTTPS to port 5985, where the server speaks HTTP: it answers the ClientHello with 400 Bad Request in clear.",
        {"scheme": "https", "port": 5985},
        Server(),
    ),
    _failed(
        "tls.http-to-https-port",
        "http-to-5986",
        "The client speaks HTTP to port 5986, where the server speaks TLS: the request is answered by RST.",
        {"scheme": "http", "port": 5986},
    ),
    _failed(
        "tls.certificate-refused",
        "tls-certificate-self-signed-12",
        "The client verifies and rejects the self-signed certificate (TLS 1.2: the alert unknown_ca is in clear).",
        VERIFIED,
        OLD,
    ),
    _failed(
        "tls.certificate-refused",
        "tls-certificate-self-signed-13",
        "The client verifies and rejects the self-signed certificate (TLS 1.3: the certificate is encrypted, the alert unknown_ca is in clear).",
        VERIFIED,
    ),
    _failed(
        "tls.certificate-refused",
        "tls-certificate-expired",
        "The server's certificate is self-signed and expired a year ago; the client verifies and rejects it (TLS 1.2).",
        VERIFIED,
        Server(tls=True, expired=True, conduct={"tls_versions": ("TLSv1_2", "TLSv1_2")}),
    ),
    Scenario(
        name="tls-certificate-expired-accepted",
        description="The same expired certificate, and a client that does not verify it: the session works.",
        server=Server(tls=True, expired=True, conduct={"tls_versions": ("TLSv1_2", "TLSv1_2")}),
        phases=((Client("wks01", "pypsrp-winrs", SESSION),),),
        capture="client-pcap",
        forbidden_rules=QUIET,
        open_rules=(*CHANNEL, "tls.certificate"),
        notes="Nothing fails. That the certificate has expired is a remark, not an alarm.",
    ),
    _failed(
        "tls.ended-at-hello",
        "tls-reset-at-hello",
        "The server resets every connection at the ClientHello, as a Windows listener without a usable certificate does.",
        {},
        Server(tls=True, conduct={"reset_hello": True}),
    ),
    _failed(
        "tls.alert",
        "tls-version-refused",
        "The client speaks TLS 1.2 at most, the server TLS 1.3 only: alert protocol_version in clear.",
        {},
        Server(schemes=("Negotiate", "Basic"), tls=True, conduct={"tls_versions": ("TLSv1_3", "TLSv1_3")}),
        phases=((Client("wks01", "curl", {"requests": ["identify"], "tls_max": "1.2"}),),) * 2,
    ),
    _failed(
        "tls.client-certificate",
        "tls-client-certificate-missing",
        "The server wants a client certificate, the client has none (TLS 1.2: the server's alert is in clear).",
        {"no_certificate": True},
        Server(tls=True, certificates=True, conduct={"certificate_required": True, "tls_versions": ("TLSv1_2", "TLSv1_2")}),
        users=("alice",),
    ),
    Scenario(
        name="tls12-direct-healthy",
        description="The healthy twin: TLS 1.2 on 5986, a client that does not verify the lab's certificate.",
        server=OLD,
        phases=((Client("wks01", "pypsrp-winrs", SESSION),),),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=QUIET,
        open_rules=CHANNEL,
        notes=INSIDE,
    ),
    *(
        Scenario(
            name=f"tls-ended-{name}-healthy",
            description=f"{product} ends the clients' TLS on port {port} and goes on in the clear to 5985; the messages are encrypted by NTLM.",
            proxy=Proxy(kind, options),
            phases=((Client("wks01", "pypsrp-winrs", {**SESSION, "encryption": "always"}),),),
            capture="any-sll2",
            healthy=True,
            forbidden_rules=QUIET,
            open_rules=WRAPPED,
            notes=INSIDE,
        )
        for name, product, kind, port, options in (
            ("stunnel-443", "stunnel", "stunnel", 443, {}),
            ("hitch-8443", "Hitch", "hitch", 8443, {}),
            ("nginx-8443", "nginx", "nginx", 8443, {"tls": True, "keepalive": 1, "listen": ("8443",)}),
        )
    ),
    Scenario(
        name="tls-ended-hitch-proxy-header-healthy",
        description="Hitch ends the clients' TLS on port 8443 and tells the server the client's address with a PROXY header of version 2.",
        server=Server(conduct={"proxy_header": True}),
        proxy=Proxy("hitch", {"header": "write-proxy-v2"}),
        phases=((Client("wks01", "pypsrp-winrs", {**SESSION, "encryption": "always"}),),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
        open_rules=WRAPPED,
        notes=INSIDE + " The PROXY header joins the legs without any key.",
    ),
    Scenario(
        name="tls-ended-stunnel-clear",
        description="stunnel ends the clients' TLS on port 443; behind it Basic and the SOAP are readable.",
        server=Server(schemes=("Negotiate", "Basic"), allow_unencrypted=True),
        proxy=Proxy("stunnel", {}),
        phases=((Client("wks01", "pypsrp-winrs", {"username": "bob", "auth": "basic", "commands": ["whoami"]}),),),
        users=("bob",),
        capture="any-sll2",
        expected_rules=("auth.basic-cleartext",),
        forbidden_rules=NO_FAULT,
        open_rules=(
            *WRAPPED,
            "enc.plaintext-soap-through-proxy",
            "enc.plaintext-soap-direct",
            "enc.server-allows-unencrypted",
        ),
        notes=INSIDE,
    ),
    Scenario(
        name="https-basic-intercepted",
        description="mitmproxy opens the TLS of a client that uses Basic: the password is readable for it; the capture is from both of its sides.",
        server=Server(schemes=("Negotiate", "Basic"), tls=True),
        proxy=Proxy("mitmproxy", forward=True),
        phases=((Client("wks01", "pypsrp-winrs", {"username": "bob", "auth": "basic", "commands": ["whoami"]}),),),
        users=("bob",),
        capture="proxy-pcapng",
        expected_rules=("proxy.tls-intercepted",),
        forbidden_rules=tuple(rule for rule in QUIET if rule != "proxy.tls-intercepted"),
        open_rules=(*CHANNEL, "enc.proxy-path-not-https", "enc.server-allows-unencrypted"),
        notes=INSIDE
        + " Without keys: the client's ClientHello appears nowhere behind the proxy, which sends one of its own."
        + " The healthy twin is squid-connect-https.",
    ),
    Scenario(
        name="tls-wrapper-on-loopback-healthy",
        description="The client speaks clear HTTP to a wrapper (stunnel) on its own loopback, which goes on with TLS to 5986; recorded on the client.",
        server=Server(tls=True),
        proxy=Proxy("stunnel", {"client": True, "accept": "127.0.0.1:5985", "target": "10.20.2.20:5986"}),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {**SESSION, "encryption": "never", "scheme": "http", "host_name": "localhost"},
                ),
            ),
        ),
        capture="client-any",
        healthy=True,
        forbidden_rules=(
            *NO_FAULT,
            "proxy.tls-intercepted",
            "enc.plaintext-soap-direct",
            "enc.server-allows-unencrypted",
        ),
        open_rules=CHANNEL,
        notes="Clear text between a program and a wrapper on the same host is no clear text on a network.",
    ),
)
