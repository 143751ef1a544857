"""Files that are moved, and ids that are used again."""

from lab.scenario import Client, Scenario
from lab.scenarios.sets import NO_FAULT

SCENARIOS = (
    Scenario(
        name="direct-psrp-pipeline-reused-healthy",
        description="pypsrp copies two files as PowerShell's Copy-Item -ToSession does, each step under the same pipeline id, and runs two scripts under it.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-copy-item",
                    {
                        "username": "LAB\\alice",
                        "auth": "ntlm",
                        "copy": {"C:\\Program Files\\Lab\\agent.bin": 50_000, "C:\\Temp\\one.txt": 1},
                        "fragment_bytes": 20_000,
                        "scripts": ["hostname", "whoami"],
                    },
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=NO_FAULT,
        open_rules=("attack.bulk-transfer",),
        notes="The steps are those of FileSystemProvider.cs of PowerShell; its fragments have 4 MiB, those of this sample 20,000 bytes.",
    ),
    Scenario(
        name="direct-psrp-copy-fetch-healthy",
        description="pypsrp copies files to the server and fetches one with its own scripts, which send SHA-1 along; one small file without a name.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-files",
                    {
                        "username": "LAB\\alice",
                        "auth": "ntlm",
                        "copy": {"C:\\Temp\\tool.exe": 250_000, "C:\\Temp\\small.txt": 3},
                        "fetch": ["C:\\Windows\\Temp\\report.bin"],
                        "unnamed": ["a small one"],
                    },
                ),
            ),
        ),
        capture="client-pcapng",
        healthy=True,
        forbidden_rules=NO_FAULT,
        open_rules=("attack.bulk-transfer",),
    ),
    Scenario(
        name="direct-ansible-copy-fetch-healthy",
        description="ansible-core's connection plug-in winrm puts two files, as copy and win_copy do, and fetches one; the server answers with SHA-1.",
        phases=(
            (
                Client(
                    "wks01",
                    "ansible-files",
                    {
                        "username": "LAB\\alice",
                        "copy": {"C:\\Temp\\source.zip": 60_000, "C:\\Temp\\two.txt": 2},
                        "fetch": ["C:\\Temp\\facts.bin"],
                    },
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=NO_FAULT,
        open_rules=("attack.bulk-transfer",),
        notes="put_file and fetch_file of the plug-in are called directly: the modules around them need PowerShell on the host, which the lab does not have. "
        "The capture carries scripts of ansible-core (GPL-3.0-or-later).",
    ),
    Scenario(
        name="direct-winrs-shell-id-reused-healthy",
        description="pypsrp opens a WinRS shell twice under one ShellId, the second time after it deleted the first, and runs commands in both.",
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-same-shell",
                    {"username": "LAB\\alice", "auth": "ntlm", "shells": [["whoami", "hostname"], ["ver", "echo again"]]},
                ),
            ),
        ),
        capture="client-pcap",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
)
