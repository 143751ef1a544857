"""Healthy traffic in less usual shapes: long polling, offload, Kerberos scheme, one leg, clear HTTP in CONNECT."""

from lab.scenario import Client, Proxy, Scenario, Server

NO_FAULT = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.no-upstream-keepalive",
    "auth.loop",
    "auth.context-lost",
    "auth.credentials-refused",
    "tcp.close-after-auth-2xx",
    "tcp.rst-after-2xx",
    "tcp.request-lost-after-auth",
    "tcp.longpoll-cut",
    "attack.omigod",
    "attack.ntlm-relay",
)

SCENARIOS = (
    Scenario(
        name="direct-long-poll-healthy",
        description="A command runs longer than the OperationTimeout: Receive ends with the TimedOut fault (HTTP 500) and is asked again, which is normal.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {
                        "username": "LAB\\bob",
                        "auth": "ntlm",
                        "operation_timeout_s": 2,
                        "commands": ["ping -n 14 127.0.0.1"],
                    },
                ),
            ),
        ),
        users=("bob",),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "enc.plaintext-soap-direct"),
    ),
    Scenario(
        name="direct-psrp-offload",
        description="PowerShell output recorded with segmentation offload on: packets larger than the MTU, checksums not filled in.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-powershell",
                    {"username": "LAB\\carol", "auth": "ntlm", "scripts": ["1..500 | ForEach-Object { report $_ }"]},
                ),
            ),
        ),
        users=("carol",),
        offload=True,
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "enc.plaintext-soap-direct"),
    ),
    Scenario(
        name="direct-kerberos-scheme-healthy",
        description="The server offers only the scheme Kerberos; messages are application/HTTP-Kerberos-session-encrypted.",
        server=Server(schemes=("Kerberos",)),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "bob@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami", "dir C:\\Logs"]},
                ),
            ),
        ),
        users=("bob",),
        kerberos=True,
        capture="client-pcapng",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "enc.plaintext-soap-direct", "auth.kerberos-weak-etype", "auth.kerberos-error"),
        notes="http.keytab holds the service's key. Only TCP was recorded, so the UDP traffic with the KDC is not here.",
    ),
    Scenario(
        name="squid-ntlm-one-leg",
        description="NTLM through squid, recorded on the server side of the proxy only.",
        proxy=Proxy("squid", forward=True),
        phases=((Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"]}),),),
        capture="upstream-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "enc.plaintext-soap-through-proxy"),
    ),
    Scenario(
        name="squid-connect-clear-http",
        description="curl tunnels clear HTTP to 5985 with CONNECT and sends Basic credentials and clear SOAP inside.",
        server=Server(schemes=("Negotiate", "Basic"), allow_unencrypted=True),
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks02",
                    "curl",
                    {"username": "bob", "basic": True, "tunnel": True, "requests": ["identify", "create"]},
                ),
            ),
        ),
        users=("bob",),
        capture="any-sll2",
        expected_rules=("proxy.plain-http-in-connect", "auth.basic-cleartext", "enc.plaintext-soap-through-proxy"),
        forbidden_rules=tuple(rule for rule in NO_FAULT if rule != "affinity.no-upstream-keepalive"),
        open_rules=("enc.server-allows-unencrypted",),
    ),
)
