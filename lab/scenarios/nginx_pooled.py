"""Upstream pools: a second client is served on the connection that the first one authenticated."""

from lab.scenario import Client, Proxy, Scenario, Server

ALICE = Client(
    "wks01",
    "pywinrm",
    {"username": "LAB\\alice", "encryption": "never", "commands": ["whoami"], "pause_s": 0.1},
)
SEALED_ALICE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.1})
STRANGER = Client("wks02", "curl", {"requests": ["identify", "create"]})

SCENARIOS = (
    Scenario(
        name="nginx-pooled-second-client",
        description="nginx keeps one upstream connection: alice authenticates it with NTLM from wks01, then wks02 sends"
        " requests without credentials and is answered as alice.",
        server=Server(allow_unencrypted=True),
        proxy=Proxy("nginx", {"keepalive": 1}),
        phases=((ALICE,), (STRANGER,)),
        capture="proxy-pcapng",
        expected_rules=(
            "affinity.shared-authenticated-upstream",
            "enc.plaintext-soap-through-proxy",
            "enc.server-allows-unencrypted",
        ),
        forbidden_rules=(
            "affinity.handshake-split",
            "auth.loop",
            "auth.credentials-refused",
            "tcp.request-lost-after-auth",
            "attack.ntlm-relay",
        ),
        open_rules=("attack.omigod",),
        notes="The server accepts requests without credentials on an authenticated connection, as HTTP.sys does.",
    ),
    Scenario(
        name="nginx-pooled-single-client-healthy",
        description="The healthy twin: the same nginx with one client only, sealed messages.",
        proxy=Proxy("nginx", {"keepalive": 1}),
        phases=((SEALED_ALICE,),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-split",
            "affinity.no-upstream-keepalive",
            "auth.context-lost",
            "tcp.close-after-auth-2xx",
            "enc.plaintext-soap-through-proxy",
            "http.1.0-downgrade",
            "attack.omigod",
        ),
    ),
    Scenario(
        name="apache-pooled-second-client",
        description="Apache httpd with its default pool: alice authenticates with NTLM from wks01, then wks02 sends"
        " requests without credentials and is answered as alice.",
        server=Server(allow_unencrypted=True),
        proxy=Proxy("apache"),
        phases=((ALICE,), (STRANGER,)),
        capture="any-sll2",
        expected_rules=(
            "affinity.shared-authenticated-upstream",
            "enc.plaintext-soap-through-proxy",
            "enc.server-allows-unencrypted",
        ),
        forbidden_rules=("affinity.handshake-split", "auth.loop", "auth.credentials-refused", "attack.ntlm-relay"),
        open_rules=("attack.omigod",),
    ),
    Scenario(
        name="haproxy-kerberos-reuse-always",
        description="haproxy with http-reuse always in front of a server that offers only Kerberos: alice authenticates"
        " from wks01, then wks02 sends requests without credentials on the same upstream connection.",
        server=Server(schemes=("Kerberos",), allow_unencrypted=True),
        proxy=Proxy("haproxy", {"extra": ("http-reuse always",)}),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {
                        "username": "alice@LAB.EXAMPLE",
                        "auth": "kerberos",
                        "encryption": "never",
                        "commands": ["whoami"],
                    },
                ),
            ),
            (STRANGER,),
        ),
        kerberos=True,
        capture="proxy-nsec",
        expected_rules=(
            "affinity.shared-authenticated-upstream",
            "enc.plaintext-soap-through-proxy",
            "enc.server-allows-unencrypted",
        ),
        forbidden_rules=("affinity.handshake-split", "auth.loop", "auth.credentials-refused", "attack.ntlm-relay"),
        open_rules=("attack.omigod",),
        notes="The SPN follows the name in the client's URL, so the KDC knows WSMAN/winrm.lab.example too.",
    ),
)
