"""Small forward proxies that do not keep connections."""

from lab.scenario import Client, Proxy, Scenario

TWICE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"], "attempts": 2, "pause_s": 0.3})
FORBIDDEN = (
    "affinity.shared-authenticated-upstream",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)
OPEN = (
    "auth.loop",
    "auth.challenge-stripped",
    "affinity.no-upstream-keepalive",
    "affinity.client-migrates",
    "http.keepalive-stripped",
)

SCENARIOS = (
    Scenario(
        name="tinyproxy-close",
        description="tinyproxy serves one request per connection: the handshake is spread over connections.",
        proxy=Proxy("tinyproxy", forward=True),
        phases=((TWICE,),),
        capture="any-sll2",
        expected_rules=("tcp.close-between-challenge-and-response",),
        forbidden_rules=FORBIDDEN,
        open_rules=(*OPEN, "affinity.handshake-split"),
    ),
    Scenario(
        name="privoxy-split",
        description="privoxy opens a new upstream connection for each POST: the handshake is split.",
        proxy=Proxy("privoxy", forward=True),
        phases=((TWICE,),),
        capture="any-sll2",
        expected_rules=("affinity.handshake-split",),
        forbidden_rules=(*FORBIDDEN, "auth.credentials-refused"),
        open_rules=(*OPEN, "tcp.close-between-challenge-and-response"),
    ),
)
