"""More of squid at work: tunnel, two capture points, several clients."""

from lab.scenario import Client, Proxy, Scenario, Server

FORBIDDEN = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.handshake-interleaved",
    "affinity.client-migrates",
    "affinity.foreign-request-rejected",
    "affinity.no-upstream-keepalive",
    "auth.loop",
    "auth.context-lost",
    "auth.credentials-refused",
    "tcp.close-after-auth-2xx",
    "tcp.request-lost-after-auth",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)

SCENARIOS = (
    Scenario(
        name="squid-connect-https",
        description="pypsrp over HTTPS on 5986 through squid's CONNECT, the recommended way; the key log is kept.",
        server=Server(tls=True),
        proxy=Proxy("squid", forward=True),
        phases=((Client("wks01", "pypsrp-winrs", {"username": "LAB\\alice", "commands": ["whoami", "hostname"]}),),),
        capture="proxy-pcapng",
        healthy=True,
        forbidden_rules=(*FORBIDDEN, "enc.proxy-path-not-https", "proxy.tls-intercepted", "proxy.plain-http-in-connect"),
        open_rules=("auth.cbt-missing-or-broken",),
        notes="`tls_exchanges` in truth.json are the exchanges inside TLS, opened by tshark with tls.keys.",
    ),
    Scenario(
        name="two-legs-clock-offset",
        description="NTLM through squid, recorded at two points whose clocks differ: leg-b.pcapng is 7.4 s ahead.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\alice", "commands": ["whoami", "dir C:\\Logs"], "pause_s": 0.1},
                ),
            ),
        ),
        capture="two-files",
        healthy=True,
        forbidden_rules=FORBIDDEN,
        notes="`clock_offset_s` in truth.json is what has been added to the times of leg-b.pcapng.",
    ),
    Scenario(
        name="three-clients-at-once",
        description="alice, bob and carol work through squid at the same time with pywinrm and pypsrp; no mix-up.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\alice", "commands": ["whoami", "ping -n 3 127.0.0.1", "hostname"]},
                ),
                Client("wks02", "pypsrp-winrs", {"username": "LAB\\bob", "commands": ["whoami", "dir C:\\Logs", "ver"]}),
                Client(
                    "wks03",
                    "pypsrp-powershell",
                    {"username": "LAB\\carol", "auth": "ntlm", "scripts": ["whoami", "hostname"]},
                ),
            ),
        ),
        users=("alice", "bob", "carol"),
        capture="proxy-pcapng",
        healthy=True,
        forbidden_rules=FORBIDDEN,
    ),
)
