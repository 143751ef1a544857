"""A service, a scheduled task, a WMI subscription or a process on another host is created by a command.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them. They create a
    service or task that runs a shell, an encoded script, or a program of a folder that anyone can write to. They
    create one on a further host (sc with a host, schtasks /s, wmic /node, Win32_Process Create with a computer's
    name, psexec). They create a WMI event subscription that runs a command. Any other service or task that is
    created is low. Each finding quotes the line with its packet. Lists, queries, starts and stops are none.
Impact
    Services and tasks start again after a restart and run as SYSTEM. From one server they lead to the next.
False positives
    Installers and management tools create services and tasks all the time. Packer's elevated provisioner, Test Kitchen,
    Vagrant and Chef (winrm-elevated) run scripts through a task with the user's password, Ansible creates tasks that
    renew certificates. The line says what was asked for, not what came of it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1543.003, T1053.005, T1047, T1546.003, T1569.002.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

_SHELL = r"%comspec%|\bcmd(?:\.exe)?\s+/[cq]\b|\s-e(?:c|nc?|nco\w*)?\s+[\"']?[a-z0-9+/]{20}|frombase64string|\\users\\public\\|\\appdata\\|\bmshta\b|\bregsvr32\b|rundll32[^,]{1,80}[\\/]temp[\\/]|https?://"
_SERVICE = r"\bsc(?:\.exe)?[\"']?\s+(?:\\\\\S+\s+)?create\s"
_TASK = r"schtasks(?:\.exe)?[\"']?\s(?:.{0,400}\s)?[/-]create\b"

LOOKS_FOR = (
    Detection(
        "service-with-a-shell",
        ("create", "new-service"),
        {
            "create": {"CommandLine|re": rf"{_SERVICE}|\bnew-service\s"},
            "shell": {"CommandLine|re": _SHELL},
            "condition": "create and shell",
        },
        "creates a service that runs a shell or a script",
        Severity.MEDIUM,
        ("T1543.003", "T1569.002"),
    ),
    Detection(
        "task-with-a-shell",
        ("schtasks", "scheduledtask"),
        {
            "create": {"CommandLine|re": rf"{_TASK}|\b(?:register-scheduledtask|new-scheduledtaskaction)\b"},
            "shell": {"CommandLine|re": _SHELL},
            "condition": "create and shell",
        },
        "creates a scheduled task that runs a shell or a script that is encoded or fetched",
        Severity.MEDIUM,
        ("T1053.005",),
    ),
    Detection(
        "further-host",
        ("create", "psexec", "paexec"),
        {
            "service": {"CommandLine|re": r"\bsc(?:\.exe)?[\"']?\s+\\\\(?!(?:localhost|127\.0\.0\.1|\.)\s)\S+\s+create\s"},
            "task": {"CommandLine|re": rf"{_TASK}.{{0,400}}\s[/-]s\s|schtasks(?:\.exe)?[\"']?\s(?:.{{0,200}}\s)?[/-]s\s.{{0,400}}[/-]create\b"},
            "wmic": {"CommandLine|re": r"wmic(?:\.exe)?[\"']?\s(?:.{0,200}\s)?/node:.{0,200}\bprocess\s+call\s+create\b"},
            "class": {"CommandLine|contains": "win32_process"},
            "method": {"CommandLine|re": r"\bcreate\b.{0,400}-(?:computername|cimsession)|-(?:computername|cimsession).{0,400}\bcreate\b"},
            "psexec": {"CommandLine|re": r"\b(?:psexec(?:64)?|paexec)(?:\.exe)?[\"']?\s.{0,80}?\\\\\S"},
            "condition": "service or task or wmic or (class and method) or psexec",
        },
        "starts a program on a further host",
        Severity.MEDIUM,
        ("T1047", "T1569.002", "T1021.002"),
    ),
    Detection(
        "wmi-subscription",
        ("eventconsumer",),
        {
            "consumer": {"CommandLine|contains": ["commandlineeventconsumer", "activescripteventconsumer"]},
            "create": {"CommandLine|re": r"set-wmiinstance|new-ciminstance|\.createinstance\(|wmic(?:\.exe)?[\"']?\s.{0,120}\bcreate\b|\[wmiclass\]"},
            "condition": "consumer and create",
        },
        "creates a WMI event subscription that runs a command",
        Severity.HIGH,
        ("T1546.003",),
    ),
    Detection(
        "service",
        ("create", "new-service"),
        {
            "create": {"CommandLine|re": rf"{_SERVICE}|\bnew-service\s+\S"},
            "shell": {"CommandLine|re": _SHELL},
            "condition": "create and not shell",
        },
        "creates a service",
        Severity.LOW,
        ("T1543.003",),
    ),
    Detection(
        "task",
        ("schtasks", "scheduledtask", "registertask", "scheduledjob"),
        {
            "create": {"CommandLine|re": rf"{_TASK}|\bregister-scheduled(?:task|job)\s|\.registertask(?:definition)?\("},
            "shell": {"CommandLine|re": _SHELL},
            "condition": "create and not shell",
        },
        "creates a scheduled task",
        Severity.LOW,
        ("T1053.005",),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Service, task or remote process created through {destination(tell)}",
    name="Service, task or remote process created",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1543, T1053",
    advice=(
        "Compare with your deployment tools and the user's work. Look at what the service or task runs (sc qc NAME, schtasks /query /tn NAME /xml), and remove "
        "what no one asked for. Where it names a further host, look there."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.service-or-task"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
