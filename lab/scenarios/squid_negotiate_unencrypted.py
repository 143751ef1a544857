"""Clear SOAP through a forward proxy after an NTLM handshake."""

from lab.scenario import Client, Proxy, Scenario, Server

SCENARIOS = (
    Scenario(
        name="squid-negotiate-unencrypted",
        description="pypsrp with Negotiate and encryption off, through squid, to a server with AllowUnencrypted:"
        " the SOAP messages cross the proxy in the clear.",
        server=Server(allow_unencrypted=True),
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {
                        "username": "LAB\\alice",
                        "auth": "negotiate",
                        "encryption": "never",
                        "commands": ["whoami", "ipconfig /all", "dir C:\\Logs"],
                        "pause_s": 0.1,
                    },
                ),
            ),
        ),
        capture="proxy-pcapng",
        expected_rules=("enc.plaintext-soap-through-proxy", "enc.server-allows-unencrypted"),
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-split",
            "auth.unencrypted-refused",
            "auth.context-lost",
            "enc.plaintext-soap-direct",
            "tcp.close-after-auth-2xx",
            "tcp.request-lost-after-auth",
            "attack.omigod",
            "attack.ntlm-relay",
        ),
    ),
)
