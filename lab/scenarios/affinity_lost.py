"""Reverse proxies that spread one client connection over several upstream connections, and their healthy twins."""

from lab.scenario import Client, Proxy, Scenario

TWICE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"], "attempts": 2, "pause_s": 0.3})
ONCE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.1})
SPNEGO = Client("wks01", "pypsrp-winrs", {"username": "LAB\\bob", "commands": ["whoami", "dir C:\\Logs"]})
LOST = (
    "affinity.shared-authenticated-upstream",
    "auth.credentials-refused",
    "tcp.close-after-auth-2xx",
    "tcp.request-lost-after-auth",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)
KEPT = (
    *LOST,
    "affinity.handshake-split",
    "affinity.client-migrates",
    "affinity.no-upstream-keepalive",
    "auth.loop",
    "auth.context-lost",
    "http.1.0-downgrade",
)
OPEN = (
    "tcp.close-between-challenge-and-response",
    "http.keepalive-stripped",
    "auth.loop",
    "affinity.client-migrates",
)
NOTE = "The client's handshake is refused although the password is right: its last token reaches a new upstream connection."

SCENARIOS = (
    Scenario(
        name="nginx-http10-split",
        description="nginx with its defaults: HTTP/1.0 and a new upstream connection per request split the handshake.",
        proxy=Proxy("nginx"),
        phases=((TWICE,),),
        capture="any-sll2",
        expected_rules=("affinity.handshake-split", "http.1.0-downgrade"),
        forbidden_rules=LOST,
        open_rules=(*OPEN, "affinity.no-upstream-keepalive"),
        notes=NOTE,
    ),
    Scenario(
        name="haproxy-ntlm-healthy",
        description="haproxy with its defaults as a reverse proxy; pypsrp with Negotiate and sealed messages.",
        proxy=Proxy("haproxy"),
        phases=((SPNEGO,),),
        users=("bob",),
        capture="proxy-pcapng",
        healthy=True,
        forbidden_rules=KEPT,
        notes="haproxy ends its upstream connections with RST after the client has left: normal for it.",
    ),
    Scenario(
        name="haproxy-http-server-close",
        description="haproxy with option http-server-close: the upstream connection ends after each response.",
        proxy=Proxy("haproxy", {"extra": ("option http-server-close",)}),
        phases=((TWICE,),),
        capture="proxy-nsec",
        expected_rules=("affinity.handshake-split", "affinity.no-upstream-keepalive"),
        forbidden_rules=LOST,
        open_rules=OPEN,
        notes=NOTE,
    ),
    Scenario(
        name="apache-disablereuse",
        description="Apache httpd with ProxyPass disablereuse=on: a new upstream connection per request.",
        proxy=Proxy("apache", {"pass_options": "disablereuse=on"}),
        phases=((TWICE,),),
        capture="any-sll2",
        expected_rules=("affinity.handshake-split", "affinity.no-upstream-keepalive"),
        forbidden_rules=LOST,
        open_rules=OPEN,
        notes=NOTE,
    ),
    Scenario(
        name="apache-pool-healthy",
        description="The healthy twin: Apache httpd with its default connection pool and one client.",
        proxy=Proxy("apache"),
        phases=((ONCE,),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=KEPT,
    ),
)
