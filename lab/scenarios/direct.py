"""No proxy at all: the client talks to the server."""

from lab.scenario import Client, Scenario, Server

NO_FAULT = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.client-migrates",
    "affinity.no-upstream-keepalive",
    "auth.loop",
    "auth.context-lost",
    "auth.reauth-per-request",
    "tcp.close-after-auth-2xx",
    "tcp.rst-after-2xx",
    "tcp.request-lost-after-auth",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)

SCENARIOS = (
    Scenario(
        name="direct-ntlm-healthy",
        description="pywinrm with NTLM and sealed messages, directly to the server.",
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\alice", "commands": ["whoami", "ipconfig /all", "nosuch"], "pause_s": 0.1},
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "auth.credentials-refused", "enc.plaintext-soap-direct"),
    ),
    Scenario(
        name="direct-basic",
        description="pypsrp with Basic over clear HTTP: password and SOAP are readable by anyone on the path.",
        server=Server(schemes=("Negotiate", "Kerberos", "Basic"), allow_unencrypted=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {"username": "bob", "auth": "basic", "encryption": "never", "commands": ["whoami", "hostname"]},
                ),
            ),
        ),
        users=("bob",),
        capture="client-pcapng",
        expected_rules=("auth.basic-cleartext", "enc.plaintext-soap-direct"),
        forbidden_rules=(*NO_FAULT, "auth.credentials-refused"),
        open_rules=("enc.server-allows-unencrypted", "auth.scheme-downgrade"),
    ),
    Scenario(
        name="wrong-password",
        description="pywinrm with NTLM and a wrong password, directly to the server, three tries: each is refused.",
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\bob", "password": "not-the-password", "attempts": 3, "pause_s": 0.5},
                ),
            ),
        ),
        users=("bob",),
        capture="client-pcap",
        expected_rules=("auth.credentials-refused",),
        forbidden_rules=tuple(rule for rule in NO_FAULT if rule != "auth.loop"),
        open_rules=("auth.loop", "attack.spray"),
        notes="secrets.toml has bob's real password, which does not verify the NTLM responses of this capture.",
    ),
    Scenario(
        name="direct-credssp-healthy",
        description="pypsrp with CredSSP, messages sealed in the inner TLS, directly to the server.",
        server=Server(schemes=("Negotiate", "Kerberos", "CredSSP")),
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {
                        "username": "LAB\\carol",
                        "auth": "credssp",
                        "credssp_auth_mechanism": "ntlm",
                        "commands": ["whoami", "dir C:\\Logs"],
                    },
                ),
            ),
        ),
        users=("carol",),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "auth.credentials-refused", "enc.plaintext-soap-direct"),
        open_rules=("auth.credssp-delegation",),
        notes="credssp.keys holds the secrets of the TLS session that is carried in the CredSSP tokens.",
    ),
    Scenario(
        name="direct-psrp-large-output",
        description="pypsrp runs PowerShell scripts in one runspace pool; one writes 700 lines, so the answers need many Receives and PSRP fragments.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-powershell",
                    {
                        "username": "LAB\\alice",
                        "auth": "ntlm",
                        "scripts": ["$PSVersionTable.PSVersion.ToString()", "1..700 | ForEach-Object { report $_ }"],
                    },
                ),
            ),
        ),
        capture="client-pcapng",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "auth.credentials-refused", "enc.plaintext-soap-direct"),
    ),
)
