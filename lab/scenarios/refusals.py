"""The proxy, the network or the server says no."""

from lab.scenario import Client, Proxy, Scenario, Server

ALICE = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"]})
NO_MIXUP = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "tcp.close-after-auth-2xx",
    "tcp.request-lost-after-auth",
    "attack.omigod",
    "attack.ntlm-relay",
)
SPRAYED = ("alice", "bob", "carol", "dave", "erin", "frank")

SCENARIOS = (
    Scenario(
        name="squid-server-down",
        description="squid cannot reach the server, whose port is closed: 503 of squid's own.",
        server=Server(down=True),
        proxy=Proxy("squid", forward=True),
        phases=((ALICE,),),
        capture="any-sll2",
        expected_rules=("http.gateway-error", "tcp.service-unreachable"),
        forbidden_rules=(*NO_MIXUP, "auth.credentials-refused", "auth.loop"),
        open_rules=("http.non-wsman-reply",),
    ),
    Scenario(
        name="squid-policy-block",
        description="squid's access rules deny the WinRM ports: 403.",
        proxy=Proxy("squid", {"block_winrm": True}, forward=True),
        phases=((ALICE,),),
        capture="proxy-pcapng",
        expected_rules=("http.policy-block",),
        forbidden_rules=(*NO_MIXUP, "auth.credentials-refused", "auth.loop", "http.gateway-error"),
        open_rules=("http.non-wsman-reply",),
    ),
    Scenario(
        name="squid-connection-auth-off",
        description="squid with connection-auth=off removes the Negotiate challenges: the client sees a bare 401.",
        proxy=Proxy("squid", {"port_options": "connection-auth=off"}, forward=True),
        phases=((ALICE,),),
        capture="any-sll2",
        expected_rules=("auth.challenge-stripped",),
        forbidden_rules=(*NO_MIXUP, "auth.credentials-refused", "auth.loop"),
        open_rules=("auth.wrong-challenge-class",),
    ),
    Scenario(
        name="direct-unencrypted-refused",
        description="A client with encryption off authenticates with NTLM; the server refuses its clear message.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "LAB\\bob", "auth": "ntlm", "encryption": "never", "commands": ["whoami"]},
                ),
            ),
        ),
        users=("bob",),
        capture="client-pcap",
        expected_rules=("auth.unencrypted-refused",),
        forbidden_rules=(*NO_MIXUP, "auth.credentials-refused", "enc.server-allows-unencrypted"),
        open_rules=("enc.plaintext-soap-direct",),
        notes="The empty 500 to a clear message is modelled, not measured on Windows.",
    ),
    Scenario(
        name="direct-password-spray",
        description="One password is tried for six users from one client; every try is refused.",
        phases=tuple((Client("wks03", "pywinrm", {"username": f"LAB\\{user}", "password": "Winter2030!"}),) for user in SPRAYED),
        users=(),
        capture="client-pcapng",
        expected_rules=("attack.spray",),
        forbidden_rules=NO_MIXUP,
        open_rules=("auth.loop", "auth.credentials-refused"),
    ),
)
