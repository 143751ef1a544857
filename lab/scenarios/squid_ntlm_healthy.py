"""NTLM with sealed bodies through squid, as it should be."""

from lab.scenario import Client, Proxy, Scenario

SCENARIOS = (
    Scenario(
        name="squid-ntlm-healthy",
        description="pywinrm with NTLM and sealed messages through the forward proxy squid; everything works.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {
                        "username": "LAB\\alice",
                        "commands": ["whoami", "hostname", "dir C:\\Logs", "ping -n 3 127.0.0.1"],
                        "pause_s": 0.2,
                    },
                ),
            ),
        ),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-split",
            "affinity.client-migrates",
            "affinity.no-upstream-keepalive",
            "auth.loop",
            "auth.context-lost",
            "auth.credentials-refused",
            "auth.negotiate-via-proxy-without-proxy-support",
            "tcp.close-after-auth-2xx",
            "tcp.rst-after-2xx",
            "tcp.request-lost-after-auth",
            "enc.plaintext-soap-through-proxy",
            "attack.omigod",
            "attack.ntlm-relay",
        ),
        notes="Squid sends the first anonymous request on an upstream connection of its own and the handshake on a"
        " second, pinned one: two upstream connections per client connection are normal here.",
    ),
)
