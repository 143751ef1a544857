"""More proxies that spread one client's requests over several upstream connections: whole, from the clients' side only, and in rows."""

from lab.scenario import Client, Proxy, Scenario, Server, View
from lab.scenarios.affinity_lost import LOST, OPEN
from lab.scenarios.sets import NO_FAULT, NO_MIXUP

TWICE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"], "attempts": 2, "pause_s": 0.3})
ONCE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.1})
SPNEGO = Client("wks02", "pypsrp-winrs", {"username": "LAB\\bob", "commands": ["whoami"]})
KERBEROS = Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "commands": ["whoami"]})
NOTE = "The password is right: the client's last token reaches a connection of the server that never sent the challenge."
TWO = "From this side alone a split handshake and a wrong password look alike; the given secret decides: the response fits the password."
REFUSED = (
    "auth.credentials-refused",
    "auth.loop",
    "affinity.handshake-split",
    "http.keepalive-stripped",
    "auth.reauth-per-request",
)


def _split(name: str, kind: str, options: dict[str, object], what: str, view: View = "whole", **changes: object) -> Scenario:
    words: dict[str, object] = {
        "name": name,
        "description": what + (", recorded on the clients' side only." if view == "client-side" else "."),
        "proxy": Proxy(kind, options),
        "phases": ((TWICE,),),
        "capture": "any-sll2",
        "view": view,
        "expected_rules": ("affinity.handshake-split",) if view == "whole" else (),
        "forbidden_rules": LOST if view == "whole" else tuple(rule for rule in LOST if rule != "auth.credentials-refused"),
        "open_rules": (*OPEN, "affinity.no-upstream-keepalive", "http.1.0-downgrade") if view == "whole" else REFUSED,
        "notes": NOTE if view == "whole" else TWO,
    }
    return Scenario(**{**words, **changes})  # type: ignore[arg-type]


LIGHTTPD = "lighttpd asks its back end with HTTP/1.0 and a new connection for each request, which splits the handshake"
NODE = "npm's http-proxy without a pool closes the connections on both of its sides after each response, which splits the handshake"
TRAFFIC = "Apache Traffic Server with its defaults shares no authenticated connection and keeps none for its client either"
H2O = "h2o with proxy.timeout.keepalive 0 opens an upstream connection for each request"
HAPROXY = "haproxy with option http-server-close ends the upstream connection after each response"

SCENARIOS = (
    _split("lighttpd-split", "lighttpd", {}, LIGHTTPD),
    _split("lighttpd-split-client-side", "lighttpd", {}, LIGHTTPD, "client-side"),
    _split(
        "node-split",
        "node",
        {},
        NODE,
        expected_rules=("tcp.close-between-challenge-and-response",),
        open_rules=(*OPEN, "affinity.handshake-split", "affinity.no-upstream-keepalive"),
    ),
    _split("trafficserver-split", "trafficserver", {}, TRAFFIC),
    _split(
        "trafficserver-split-client-side",
        "trafficserver",
        {},
        TRAFFIC + " (its Via and Server are there)",
        "client-side",
    ),
    _split("h2o-split", "h2o", {"keepalive_ms": 0}, H2O),
    _split(
        "haproxy-split-client-side",
        "haproxy",
        {"extra": ("option http-server-close",)},
        HAPROXY + " (no Via, no Server of its own)",
        "client-side",
    ),
    _split(
        "splitting-before-pinning",
        "chain",
        {"first": ("nginx", {}), "second": ("haproxy", {})},
        "Two proxies: nginx with its defaults splits the handshake, haproxy behind it keeps what it gets",
        capture="three-files",
        notes="Proxy 10.10.1.1 splits, not 10.30.3.2.",
    ),
    _split(
        "pinning-before-splitting",
        "chain",
        {"first": ("haproxy", {}), "second": ("nginx", {})},
        "Two proxies: haproxy keeps a connection for its client, nginx with its defaults behind it splits the handshake",
        capture="three-files",
        notes="Proxy 10.30.3.2 splits, not 10.10.1.1.",
    ),
    Scenario(
        name="two-pinning-proxies-healthy",
        description="The healthy twin: nginx with a pool of one, and haproxy behind it, one client.",
        proxy=Proxy("chain", {"first": ("nginx", {"keepalive": 1}), "second": ("haproxy", {})}),
        phases=((ONCE,),),
        capture="three-files",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="px-before-squid-proxyauth",
        description="Px on the clients' side answers squid's demand for NTLM (407) itself: each request of the client goes to squid once"
        " without and again with credentials for the proxy; the session uses Basic.",
        server=Server(schemes=("Negotiate", "Basic"), allow_unencrypted=True),
        proxy=Proxy("chain", {"first": ("px", {}), "second": ("squid", {"auth": "ntlm"})}, forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "bob", "auth": "basic", "encryption": "never", "commands": ["whoami"]},
                ),
            ),
        ),
        users=("bob",),
        capture="three-files",
        expected_rules=("auth.basic-cleartext",),
        forbidden_rules=(
            *NO_MIXUP,
            "auth.credentials-refused",
            "auth.loop",
            "affinity.no-upstream-keepalive",
            "proxyauth.credentials-missing",
        ),
        open_rules=(
            "proxyauth.over-plain-http",
            "auth.two-credential-sets",
            "enc.plaintext-soap-through-proxy",
            "enc.server-allows-unencrypted",
            "auth.reauth-per-request",
        ),
    ),
    Scenario(
        name="two-products-one-host",
        description="nginx on port 5985 splits alice's handshake; haproxy on port 8085 of the same host serves bob well.",
        proxy=Proxy("beside", {"each": (("nginx", {}), ("haproxy", {"binds": (":8085",)}))}),
        phases=((TWICE, Client("wks02", "pypsrp-winrs", {**SPNEGO.options, "port": 8085})),),
        users=("alice", "bob"),
        capture="any-sll2",
        expected_rules=("affinity.handshake-split",),
        forbidden_rules=LOST,
        open_rules=(*OPEN, "affinity.no-upstream-keepalive", "http.1.0-downgrade"),
        notes="Two parties with one address: what is found of nginx must not be said of haproxy.",
    ),
    Scenario(
        name="two-products-one-host-healthy",
        description="The healthy twin: nginx with a pool of one on port 5985, haproxy on port 8085 of the same host, a user each.",
        proxy=Proxy("beside", {"each": (("nginx", {"keepalive": 1}), ("haproxy", {"binds": (":8085",)}))}),
        phases=((ONCE, Client("wks02", "pypsrp-winrs", {**SPNEGO.options, "port": 8085})),),
        users=("alice", "bob"),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="lighttpd-kerberos-split",
        description="Kerberos through lighttpd: each request goes out on a new connection, and the encrypted messages have no context there.",
        proxy=Proxy("lighttpd"),
        phases=((KERBEROS,),),
        kerberos=True,
        capture="any-sll2",
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "auth.credentials-refused",
            "attack.omigod",
            "attack.ntlm-relay",
        ),
        open_rules=(
            "tcp.close-after-auth-2xx",
            "http.encrypted-body-refused",
            *OPEN,
            "affinity.no-upstream-keepalive",
            "http.1.0-downgrade",
            "auth.context-lost",
            "affinity.handshake-split",
            "http.replayed-body",
        ),
    ),
)
