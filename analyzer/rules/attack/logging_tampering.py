"""A command switches off, bypasses or clears what records scripts and events: AMSI, PowerShell logging, event logs.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them. AMSI's state or
    functions are changed in memory; script block logging is switched off in memory or in the registry. Tracing of
    PowerShell or of the process is patched, event logs are cleared or disabled, the audit policy is removed. Sysmon is
    unloaded, or the command history is deleted. Each finding quotes the line with its packet.
Impact
    What follows is not scanned and leaves no trace on the server: the capture may be the only record.
False positives
    Scripts that build images of machines clear event logs at their end. Administrators clear the log of an application
    to see a fault once more. Security tests change AMSI. A text that only names these words fits as well. The line says
    what was asked for, not what came of it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1562.001, T1562.002, T1562.003, T1070.001, T1070.003.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

_AMSI = ("amsiinitfailed", "amsiutils", "amsicontext", "amsisession", "amsiscanbuffer", "amsiopensession")
_OFF = r"[\"'\])\s]{0,4}(?:\s*[=,]\s*|.{0,40}?[\s/-](?:d|val\w*)[\s:]+)[\"']?(?:0x)?0+\b"

LOOKS_FOR = (
    Detection(
        "amsi",
        _AMSI,
        {"words": {"CommandLine|contains": list(_AMSI)}, "condition": "words"},
        "changes AMSI, so that scripts are not scanned",
        Severity.HIGH,
        ("T1562.001",),
    ),
    Detection(
        "script-block-logging-in-memory",
        ("cachedgrouppolicysettings",),
        {"words": {"CommandLine|contains|all": ["cachedgrouppolicysettings", "scriptblock"]}, "condition": "words"},
        "switches off PowerShell's script block logging for its own process",
        Severity.HIGH,
        ("T1562.003", "T1562.001"),
    ),
    Detection(
        "script-block-logging",
        ("enablescriptblocklogging", "enablemodulelogging", "enabletranscripting"),
        {"off": {"CommandLine|re": rf"enable(?:scriptblocklogging|modulelogging|transcripting){_OFF}"}, "condition": "off"},
        "switches off PowerShell logging",
        Severity.MEDIUM,
        ("T1562.002",),
    ),
    Detection(
        "event-tracing",
        ("etweventwrite", "psetwlogprovider", "nttraceevent"),
        {"words": {"CommandLine|contains": ["etweventwrite", "psetwlogprovider", "nttraceevent"]}, "condition": "words"},
        "interferes with event tracing of its own process",
        Severity.HIGH,
        ("T1562.006",),
    ),
    Detection(
        "security-log",
        ("wevtutil", "clear-eventlog", "remove-eventlog", "limit-eventlog", "clearlog"),
        {
            "clear": {"CommandLine|re": r"wevtutil(?:\.exe)?[\"']?\s+(?:cl|clear-log)\s+[\"']?security\b|clearlog\([\"']security"},
            "cmdlet": {"CommandLine|re": r"(?:clear|remove)-eventlog\b.{0,80}\bsecurity\b"},
            "off": {"CommandLine|re": r"wevtutil(?:\.exe)?[\"']?\s+(?:sl|set-log)\s+[\"']?security\b.{0,60}[/-]e(?:nabled)?:f"},
            "condition": "clear or cmdlet or off",
        },
        "clears or disables the Security event log",
        Severity.HIGH,
        ("T1070.001",),
    ),
    Detection(
        "event-log",
        ("wevtutil", "clear-eventlog", "remove-eventlog", "clearlog"),
        {
            "clear": {"CommandLine|re": r"wevtutil(?:\.exe)?[\"']?\s+(?:cl|clear-log)\s|\bclear-eventlog\s+\S|\bremove-eventlog\s+(?!-source)|\.clearlog\("},
            "off": {"CommandLine|re": r"wevtutil(?:\.exe)?[\"']?\s+(?:sl|set-log)\s.{0,120}[/-]e(?:nabled)?:f"},
            "security": {"CommandLine|re": r"(?:wevtutil|eventlog|clearlog).{0,80}\bsecurity\b"},
            "condition": "(clear or off) and not security",
        },
        "clears or disables an event log",
        Severity.MEDIUM,
        ("T1070.001",),
    ),
    Detection(
        "event-log-service",
        ("eventlog",),
        {
            "stop": {"CommandLine|re": r"(?:\bsc(?:\.exe)?|\bnet1?(?:\.exe)?)\s+stop\s+[\"']?eventlog\b|stop-service\s.{0,40}\beventlog\b"},
            "off": {"CommandLine|re": r"\bsc(?:\.exe)?\s+config\s+[\"']?eventlog\b.{0,60}disabled|set-service\s.{0,40}\beventlog\b.{0,60}disabled"},
            "condition": "stop or off",
        },
        "stops or disables the service of event logs",
        Severity.HIGH,
        ("T1562.002",),
    ),
    Detection(
        "audit-policy",
        ("auditpol",),
        {"off": {"CommandLine|re": r"auditpol(?:\.exe)?[\"']?\s+[/-](?:clear|remove)|auditpol.{0,160}[/-](?:success|failure):disable"}, "condition": "off"},
        "removes audit policy",
        Severity.MEDIUM,
        ("T1562.002",),
    ),
    Detection(
        "sysmon",
        ("sysmon",),
        {
            "unload": {"CommandLine|re": r"fltmc(?:\.exe)?[\"']?\s+unload\s+sysmon|sysmon(?:64)?(?:\.exe)?[\"']?\s+[/-]u\b"},
            "stop": {"CommandLine|re": r"(?:\bsc(?:\.exe)?|\bnet1?(?:\.exe)?)\s+(?:stop|delete)\s+[\"']?sysmon|stop-service\s.{0,40}\bsysmon"},
            "condition": "unload or stop",
        },
        "unloads or stops Sysmon",
        Severity.HIGH,
        ("T1562.001",),
    ),
    Detection(
        "command-history",
        ("consolehost_history", "historysavestyle"),
        {
            "delete": {"CommandLine|re": r"(?:\bdel\b|\berase\b|\brm\b|\bri\b|remove-item|clear-content|set-content).{0,160}consolehost_history"},
            "off": {"CommandLine|re": r"historysavestyle[\s:]+[\"']?savenothing"},
            "condition": "delete or off",
        },
        "deletes or stops the command history of PowerShell",
        Severity.MEDIUM,
        ("T1070.003",),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Logging or AMSI tampering command for {destination(tell)}",
    name="Logging or AMSI tampering command",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1562",
    advice=(
        "Ask whether a script that builds machines or an administrator did this. If not, read what the same shell ran afterwards in the transcript: the "
        "server may have no record of it. Switch the logging on again by policy, and forward events to another host."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.logging-tampering"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
