"""Shadow copies or backups are deleted, or protected files are read out of a shadow copy.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them: shadow copies
    deleted (vssadmin, wmic, Win32_ShadowCopy, diskshadow), the backup catalog deleted (wbadmin), recovery switched off
    (bcdedit), registry hives or the database of Active Directory read out of a shadow copy. A shadow copy that is made
    is low. Each finding quotes the line with its packet. Lists (vssadmin list shadows) are none.
Impact
    Ransomware deletes shadow copies before it encrypts. A shadow copy also gives files that are locked while Windows
    runs, such as the hives and NTDS.dit.
False positives
    Backup software makes and deletes shadow copies. Administrators delete old ones when a disk is full. Images of
    machines get recovery switched off. The line says what was asked for, not what came of it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1490, T1003.002, T1003.003, T1006.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

LOOKS_FOR = (
    Detection(
        "delete-all",
        ("shadow",),
        {
            "vssadmin": {"CommandLine|re": r"vssadmin(?:\.exe)?[\"']?\s+delete\s+shadows\b.{0,80}/all\b"},
            "wmic": {"CommandLine|re": r"wmic(?:\.exe)?[\"']?\s(?:.{0,80}\s)?shadowcopy\s+(?:.{0,80}\s)?delete\b|diskshadow.{0,80}delete\s+shadows\s+all"},
            "class": {"CommandLine|contains": "win32_shadowcopy"},
            "remove": {"CommandLine|re": r"\.delete\(|remove-wmiobject|remove-ciminstance|\|\s*rwmi\b"},
            "condition": "vssadmin or wmic or (class and remove)",
        },
        "deletes shadow copies",
        Severity.HIGH,
        ("T1490",),
    ),
    Detection(
        "delete-some",
        ("vssadmin",),
        {
            "delete": {"CommandLine|re": r"vssadmin(?:\.exe)?[\"']?\s+delete\s+shadows\b"},
            "resize": {"CommandLine|re": r"vssadmin(?:\.exe)?[\"']?\s+resize\s+shadowstorage\b.{0,120}maxsize=\d{1,3}mb\b"},
            "all": {"CommandLine|re": r"delete\s+shadows\b.{0,80}/all\b"},
            "condition": "(delete or resize) and not all",
        },
        "deletes shadow copies or takes their space",
        Severity.MEDIUM,
        ("T1490",),
    ),
    Detection(
        "backups",
        ("wbadmin", "bcdedit"),
        {
            "wbadmin": {"CommandLine|re": r"wbadmin(?:\.exe)?[\"']?\s+delete\s+(?:catalog|systemstatebackup|backup)\b"},
            "bcdedit": {"CommandLine|re": r"bcdedit(?:\.exe)?[\"']?\s.{0,80}(?:recoveryenabled\s+(?:no|off|false)|bootstatuspolicy\s+ignoreallfailures)\b"},
            "condition": "wbadmin or bcdedit",
        },
        "deletes backups or switches recovery off",
        Severity.MEDIUM,
        ("T1490",),
    ),
    Detection(
        "read-hives",
        ("harddiskvolumeshadowcopy",),
        {
            "copy": {"CommandLine|contains": "harddiskvolumeshadowcopy"},
            "file": {"CommandLine|contains": ["ntds.dit", "config\\sam", "config\\security", "config\\system"]},
            "condition": "copy and file",
        },
        "reads hives or the database of Active Directory out of a shadow copy",
        Severity.HIGH,
        ("T1003.002", "T1003.003", "T1006"),
    ),
    Detection(
        "make",
        ("shadow",),
        {
            "vssadmin": {"CommandLine|re": r"vssadmin(?:\.exe)?[\"']?\s+create\s+shadow\b|wmic(?:\.exe)?[\"']?\s(?:.{0,80}\s)?shadowcopy\s+call\s+create\b"},
            "diskshadow": {"CommandLine|re": r"diskshadow(?:\.exe)?[\"']?\s+[/-]s\b"},
            "class": {"CommandLine|contains": "win32_shadowcopy"},
            "create": {"CommandLine|re": r"\.create\(|-methodname\s+create|-name\s+create"},
            "condition": "vssadmin or diskshadow or (class and create)",
        },
        "makes a shadow copy",
        Severity.LOW,
        ("T1003.003", "T1006"),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Shadow copy or backup command for {destination(tell)}",
    name="Shadow copy or backup command",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1490",
    advice=(
        "Ask whether backup software or an administrator did this. If not, isolate the server and look for files that were encrypted or copied since. Look for "
        "backups on other systems before anything is restored."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.shadow-copies"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
