"""The proxy wants credentials of its own."""

from lab.scenario import Client, Proxy, Scenario

SCENARIOS = (
    Scenario(
        name="squid-proxyauth-basic",
        description="squid asks for Basic proxy credentials over plain HTTP: a first client without them gets 407, the"
        " second sends them and authenticates to the server with NTLM.",
        proxy=Proxy("squid", {"auth": "basic"}, forward=True),
        phases=(
            (Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": []}),),
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\alice", "proxy_user": "proxyuser", "commands": ["whoami"]},
                ),
            ),
        ),
        capture="any-sll2",
        expected_rules=("proxyauth.over-plain-http", "auth.two-credential-sets"),
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-split",
            "auth.credentials-refused",
            "auth.wrong-challenge-class",
            "auth.basic-cleartext",
            "tcp.close-after-auth-2xx",
            "tcp.request-lost-after-auth",
            "enc.plaintext-soap-through-proxy",
        ),
        open_rules=("http.non-wsman-reply",),
    ),
)
