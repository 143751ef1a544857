"""A command makes Microsoft Defender blind: exclusions, protection switched off, the service stopped.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them. Add-MpPreference or
    Set-MpPreference sets an exclusion or disables a protection, or a policy in the registry does the same. The service
    is stopped or disabled, definitions are removed, the feature is uninstalled. The firewall of a whole profile is
    switched off (low). Each finding quotes the line with its packet. Reading settings, removing an
    exclusion and switching a protection on are none.
Impact
    A program that would have been found and removed then stays.
False positives
    Servers for databases, mail, virtual machines and backups get exclusions by their makers' documents. Scripts that
    build images switch the protection off while they work, laboratories do so for good. Other protection software
    replaces Defender. The line says what was asked for: tamper protection may have ignored it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1562.001, T1562.004.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

_SERVICES = r"[\"']?(?:windefend|wdnissvc|sense|wdfilter|wdboot)\b"
_ON = r"[\s:]+[\"']?(?:\$?true|0*1)\b"

LOOKS_FOR = (
    Detection(
        "protection-off",
        ("set-mppreference",),
        {
            "off": {"CommandLine|re": rf"set-mppreference\b.{{0,400}}?[\s]-disable(?!(?:cpuaffinity|restorepoint|autoexclusions)){r'[a-z]{4,60}'}{_ON}"},
            "report": {"CommandLine|re": r"set-mppreference\b.{0,400}?-(?:mapsreporting|submitsamplesconsent)[\s:]+[\"']?(?:0|disabled|never|neversend|2)\b"},
            "condition": "off or report",
        },
        "switches off a protection of Defender",
        Severity.HIGH,
        ("T1562.001",),
    ),
    Detection(
        "exclusion",
        ("-exclusion", "exclusions\\"),
        {
            "cmdlet": {"CommandLine|re": r"(?:add|set)-mppreference\b.{0,400}?-exclusion(?:path|process|extension|ipaddress)\b"},
            "registry": {"CommandLine|re": r"(?:\breg(?:\.exe)?[\"']?\s+add|(?:new|set)-itemproperty)\s.{0,120}windows defender\\exclusions\\"},
            "condition": "cmdlet or registry",
        },
        "excludes files, programs or folders from Defender's scans",
        Severity.MEDIUM,
        ("T1562.001",),
    ),
    Detection(
        "policy-off",
        ("disableantispyware", "disableantivirus", "disablerealtimemonitoring", "disablebehaviormonitoring", "tamperprotection"),
        {
            "set": {"CommandLine|re": r"\breg(?:\.exe)?[\"']?\s+add\b|(?:new|set)-itemproperty\b|\bsp\s"},
            "value": {
                "CommandLine|re": r"disable(?:antispyware|antivirus|realtimemonitoring|behaviormonitoring)\b.{0,80}?[\s/-](?:d|val\w*)[\s:]+[\"']?(?:0x)?0*1\b"
            },
            "condition": "set and value",
        },
        "switches Defender off by policy",
        Severity.HIGH,
        ("T1562.001", "T1112"),
    ),
    Detection(
        "service-off",
        ("windefend", "wdnissvc", "sense", "wdfilter", "wdboot"),
        {
            "stop": {
                "CommandLine|re": rf"(?:\bsc(?:\.exe)?|\bnet1?(?:\.exe)?)[\"']?\s+(?:stop|delete)\s+{_SERVICES}|stop-service\s(?:.{{0,60}}\s)?{_SERVICES}"
            },
            "off": {
                "CommandLine|re": rf"\bsc(?:\.exe)?[\"']?\s+config\s+{_SERVICES}.{{0,60}}disabled|set-service\s(?:.{{0,60}}\s)?{_SERVICES}.{{0,80}}disabled"
            },
            "condition": "stop or off",
        },
        "stops or disables a service of Defender",
        Severity.HIGH,
        ("T1562.001", "T1489"),
    ),
    Detection(
        "definitions",
        ("removedefinitions",),
        {"remove": {"CommandLine|re": r"mpcmdrun(?:\.exe)?[\"']?\s.{0,40}-removedefinitions"}, "condition": "remove"},
        "removes the definitions of Defender",
        Severity.HIGH,
        ("T1562.001",),
    ),
    Detection(
        "feature",
        ("windows-defender",),
        {
            "remove": {
                "CommandLine|re": r"(?:uninstall|remove)-windowsfeature\b.{0,80}windows-defender|disable-windowsoptionalfeature\b.{0,120}windows-defender"
            },
            "dism": {"CommandLine|re": r"dism(?:\.exe)?[\"']?\s.{0,120}disable-feature.{0,80}windows-defender"},
            "condition": "remove or dism",
        },
        "uninstalls Defender",
        Severity.MEDIUM,
        ("T1562.001",),
    ),
    Detection(
        "firewall",
        ("advfirewall", "set-netfirewallprofile"),
        {
            "netsh": {"CommandLine|re": r"advfirewall\s+set\s+(?:all|domain|private|public|current)profiles?\s+state\s+off"},
            "cmdlet": {"CommandLine|re": r"set-netfirewallprofile\b.{0,120}-enabled[\s:]+[\"']?\$?(?:false|0)\b"},
            "condition": "netsh or cmdlet",
        },
        "switches the Windows firewall off for a whole profile",
        Severity.LOW,
        ("T1562.004",),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Defender tampering command for {destination(tell)}",
    name="Defender tampering command",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1562.001",
    advice=(
        "Compare with what the server is for. Read its settings (Get-MpPreference, Get-MpComputerStatus), remove what no administrator asked for, and scan "
        "what was excluded."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.defender-tampering"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
