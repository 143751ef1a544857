"""A command reads stored credentials of the server.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them. They name modules of
    mimikatz and Rubeus, or dump the memory of LSASS (comsvcs.dll MiniDump, procdump, and programs made for it). They
    save the registry hives SAM and SECURITY, or copy the database of Active Directory (ntdsutil ifm, ntds.dit). They
    make WDigest keep passwords, or read passwords of group policies. Each finding quotes the line with its packet. Escape characters and pieces of
    texts are put together first.
Impact
    Anyone who has these can log on as any user whose credentials were there, of a domain controller as every user.
False positives
    Tests of security products and penetration tests do the same. ntdsutil ifm makes installation media for a new
    domain controller. Support asks for a dump of LSASS in rare cases. Backup scripts save the SYSTEM hive. A text that
    only names these words (a detection rule, a lesson) fits as well. The line says what was asked for, not what came
    of it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1003, T1558, T1552.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

_MIMIKATZ = ("sekurlsa::", "lsadump::", "kerberos::golden", "kerberos::ptt", "kerberos::list", "misc::memssp", "invoke-mimikatz", "invoke-kiwi")
_DUMPERS = ("nanodump", "handlekatz", "safetykatz", "sharpkatz", "sharpdump", "pypykatz", "lsassy", "out-minidump", "minidumpwritedump", "lazagne", "gsecdump")
_ROOT = r"(?:hklm|hkey_local_machine)\\(?:{})[\"'\s]"

LOOKS_FOR = (
    Detection(
        "mimikatz",
        _MIMIKATZ,
        {"mimikatz": {"CommandLine|contains": list(_MIMIKATZ)}, "condition": "mimikatz"},
        "calls a module of mimikatz that reads credentials",
        Severity.HIGH,
        ("T1003.001", "T1003.006"),
    ),
    Detection(
        "lsass-minidump",
        ("comsvcs",),
        {
            "library": {"CommandLine|contains": "comsvcs"},
            "dump": {"CommandLine|contains": ["minidump", "#24", "#+24", "#-"]},
            "condition": "library and dump",
        },
        "dumps the memory of a process with comsvcs.dll, as is done with LSASS",
        Severity.HIGH,
        ("T1003.001",),
    ),
    Detection(
        "lsass-dump",
        ("lsass", *_DUMPERS),
        {
            "tool": {"CommandLine|contains": list(_DUMPERS)},
            "process": {"CommandLine|contains": "lsass"},
            "dump": {"CommandLine|re": r"procdump|rdrleakdiag|sqldumper|createdump|dumpert|[\s/-]ma\b|fullmemdmp"},
            "condition": "tool or (process and dump)",
        },
        "dumps the memory of LSASS",
        Severity.HIGH,
        ("T1003.001",),
    ),
    Detection(
        "sam-hive",
        ("\\sam", "\\security"),
        {"save": {"CommandLine|re": rf"\breg(?:\.exe)?[\"']?\s+(?:save|export)\s+[\"']?{_ROOT.format('sam|security')}"}, "condition": "save"},
        "saves the registry hive SAM or SECURITY, which holds password hashes and keys of the machine",
        Severity.HIGH,
        ("T1003.002", "T1003.004"),
    ),
    Detection(
        "system-hive",
        ("\\system",),
        {"save": {"CommandLine|re": rf"\breg(?:\.exe)?[\"']?\s+save\s+[\"']?{_ROOT.format('system')}"}, "condition": "save"},
        "saves the registry hive SYSTEM, which holds the key for SAM and SECURITY",
        Severity.LOW,
        ("T1003.002",),
    ),
    Detection(
        "ntds",
        ("ntdsutil", "ntds.dit"),
        {
            "media": {"CommandLine|contains": "ntdsutil"},
            "create": {"CommandLine|re": r"\bifm\b|\bac(?:tivate)?\s+i(?:n(?:stance)?)?\s+ntds|\bcr(?:eate)?\s+f(?:ull)?\b"},
            "file": {"CommandLine|contains": "ntds.dit"},
            "copy": {"CommandLine|re": r"\bx?copy\b|copy-item|\bcp\b|esentutl|robocopy|shadowcopy|ninjacopy|diskshadow|compress-archive|\bmove\b|7z"},
            "condition": "(media and create) or (file and copy)",
        },
        "copies the database of Active Directory",
        Severity.HIGH,
        ("T1003.003",),
    ),
    Detection(
        "replication",
        ("invoke-dcsync", "get-adreplaccount"),
        {"ask": {"CommandLine|contains": ["invoke-dcsync", "get-adreplaccount"]}, "condition": "ask"},
        "asks a domain controller to replicate hashes of accounts",
        Severity.HIGH,
        ("T1003.006",),
    ),
    Detection(
        "kerberos-tickets",
        ("rubeus", "kerberoast"),
        {
            "tool": {"CommandLine|contains": ["invoke-kerberoast", "invoke-rubeus"]},
            "rubeus": {"CommandLine|contains": "rubeus"},
            "verb": {
                "CommandLine|re": r"\b(?:asktgt|asktgs|kerberoast|asreproast|s4u|ptt|dump|triage|harvest|monitor|tgtdeleg|createnetonly|renew|golden|silver)\b"
            },
            "condition": "tool or (rubeus and verb)",
        },
        "asks for or takes Kerberos tickets with an attack tool",
        Severity.HIGH,
        ("T1558.003", "T1550.003"),
    ),
    Detection(
        "wdigest",
        ("uselogoncredential",),
        {
            "on": {"CommandLine|re": r"uselogoncredential.{0,80}(?:[\s/-]d\s+|-val\w*[\s:]+)[\"']?(?:0x)?0*1\b"},
            "before": {"CommandLine|re": r"[\s/-]d\s+[\"']?(?:0x)?0*1\b.{0,80}uselogoncredential"},
            "condition": "on or before",
        },
        "makes WDigest keep passwords in memory",
        Severity.HIGH,
        ("T1112", "T1003.001"),
    ),
    Detection(
        "policy-passwords",
        ("gpppassword", "gppautologon", "cpassword"),
        {
            "tool": {"CommandLine|contains": ["get-gpppassword", "get-gppautologon"]},
            "search": {"CommandLine|re": r"(?:findstr|select-string).{0,120}cpassword"},
            "condition": "tool or search",
        },
        "looks for passwords in group policies",
        Severity.MEDIUM,
        ("T1552.006",),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Credential dumping command for {destination(tell)}",
    name="Credential dumping command",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1003",
    advice=(
        "Ask whether a test or an administrator did this. If not, isolate the server, and treat every account that was logged on there as known to the "
        "attacker: reset its password. After a copy of Active Directory's database that is every account, krbtgt twice."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.credential-dumping"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
