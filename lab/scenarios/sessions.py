"""Whole PowerShell sessions: a restricted endpoint, sessions that are left and taken over, prompts; a WinRS shell with wishes."""

from lab.scenario import Client, Proxy, Scenario
from lab.scenarios.sets import NO_FAULT

_ALICE = {"username": "LAB\\alice", "auth": "ntlm"}
_LEAVES = [
    {"open": None},
    {"run": "hostname"},
    {"begin": "Start-Sleep -Seconds 2; whoami"},
    {"disconnect": None},
]
_TAKES = [{"pause": 0.3}, {"take": None}, {"finish": None}, {"run": "$PSVersionTable.PSVersion.ToString()"}, {"close": None}]

SCENARIOS = (
    Scenario(
        name="direct-psrp-jea-healthy",
        description="pypsrp opens a session of a restricted configuration (JEA) with application arguments; errors with positions, an object, records.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-session",
                    {
                        **_ALICE,
                        "configuration": "Lab.Helpdesk",
                        "arguments": {"ticket": "INC-1007", "attempt": 2},
                        "locale": "de-DE",
                        "data_locale": "fr-FR",
                        "steps": [
                            {"open": None},
                            {"run": "Get-Item C:\\nosuch.txt"},
                            {"run": "C:\\Scripts\\audit.ps1"},
                            {"run": "Get-Service WinRM"},
                            {"run": "Write-Records"},
                            {"close": None},
                        ],
                    },
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "attack.session-taken-over"),
        notes="The server takes any configuration name: what a role may run is not restricted here.",
    ),
    Scenario(
        name="direct-psrp-reconnect-healthy",
        description="pypsrp disconnects from a session, comes back to it on the same connection, and goes on.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-session",
                    {
                        **_ALICE,
                        "steps": [
                            {"open": None},
                            {"run": "hostname"},
                            {"disconnect": None},
                            {"pause": 0.3},
                            {"reconnect": None},
                            {"run": "whoami"},
                            {"close": None},
                        ],
                    },
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=(*NO_FAULT, "attack.session-taken-over"),
    ),
    Scenario(
        name="direct-psrp-taken-over",
        description="pypsrp on wks01 leaves a session in which a script still runs; pypsrp on wks02 lists the sessions, connects, and gets its output.",
        phases=(
            (Client("wks01", "pypsrp-session", {**_ALICE, "steps": _LEAVES}),),
            (Client("wks02", "pypsrp-session", {**_ALICE, "steps": _TAKES}),),
        ),
        capture="upstream-pcap",
        healthy=True,
        open_rules=("attack.session-taken-over",),
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="squid-psrp-taken-over",
        description="The same through squid: the server sees one address, the capture of both sides shows the two clients.",
        proxy=Proxy("squid", forward=True),
        phases=(
            (Client("wks01", "pypsrp-session", {**_ALICE, "steps": _LEAVES}),),
            (Client("wks02", "pypsrp-session", {**_ALICE, "steps": _TAKES}),),
        ),
        capture="any-sll2",
        healthy=True,
        open_rules=("attack.session-taken-over",),
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="direct-psrp-interactive-healthy",
        description="pypsrp types lines as Enter-PSSession does, with prompts and a host; Read-Host is answered, keys are exchanged, the host is told to exit.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-session",
                    {
                        **_ALICE,
                        "answers": ["Ada"],
                        "steps": [
                            {"open": None},
                            {"line": "Get-Location"},
                            {"line": "Get-Date"},
                            {"run": "Read-Host -Prompt Name"},
                            {"keys": "Dahlie+Ofenrohr5"},
                            {"run": "exit 3"},
                            {"close": None},
                        ],
                    },
                ),
            ),
        ),
        capture="client-pcapng",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="direct-winrs-environment-healthy",
        description="pypsrp opens a WinRS shell with a folder, environment variables, a name and time-outs of its own.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-prepared",
                    {
                        **_ALICE,
                        "shell": {
                            "working_directory": "C:\\Tools",
                            "environment": {"STAGE": "test", "OWNER": "helpdesk"},
                            "name": "nightly",
                            "idle_time_out": 900,
                            "lifetime": 3600,
                            "no_profile": True,
                        },
                        "commands": ["whoami", "ver"],
                    },
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
)
