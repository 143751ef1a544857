"""Kerberos and SPNEGO through squid."""

from lab.scenario import Client, Proxy, Scenario

FORBIDDEN = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.client-migrates",
    "affinity.no-upstream-keepalive",
    "auth.loop",
    "auth.context-lost",
    "auth.credentials-refused",
    "auth.negotiate-via-proxy-without-proxy-support",
    "auth.kerberos-error",
    "auth.kerberos-weak-etype",
    "tcp.close-after-auth-2xx",
    "tcp.request-lost-after-auth",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)

SCENARIOS = (
    Scenario(
        name="squid-kerberos-healthy",
        description="pypsrp with Kerberos (AES-256) and sealed messages through squid.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "alice@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami", "dir C:\\Logs"]},
                ),
            ),
        ),
        kerberos=True,
        capture="proxy-nsec",
        healthy=True,
        forbidden_rules=FORBIDDEN,
        notes="http.keytab holds the service's key. Only TCP was recorded, so the UDP traffic with the KDC is not here.",
    ),
    Scenario(
        name="squid-negotiate-spnego-mic-healthy",
        description="pypsrp with Negotiate: NTLM inside SPNEGO with mechListMIC, sealed messages (sequence numbers start at 1), through squid.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "LAB\\carol", "auth": "negotiate", "commands": ["whoami", "ver", "dir C:\\Logs"]},
                ),
            ),
        ),
        users=("carol",),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=FORBIDDEN,
    ),
)
