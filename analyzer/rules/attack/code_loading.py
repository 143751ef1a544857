"""A script fetches code and runs it, or loads a program into memory.

Detects
    Lines of commands, scripts and input that could be read, and of the layers decoded out of them. A download is
    handed to Invoke-Expression or a script block; a .NET assembly is loaded from bytes that the script carries or
    fetches. Memory of a process is written and started from a script, or a script is decompressed and run. A Windows
    program fetches and runs code (mshta, regsvr32, certutil, bitsadmin). Each finding quotes the line with its packet. Escape characters
    and pieces of texts are put together first.
Impact
    What runs is never a file on the server, and may differ each time. Most stagers of attack tools look so.
False positives
    Installers are started so by their makers' documents (Chocolatey, PSGet, agents of clouds, Ansible's preparation
    script). Management tools carry .NET code in scripts. The line says what was asked for, not what came of it.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1059.001, T1105, T1620, T1055, T1218.
"""

from analyzer.rules.attack._lines import TEXT, attack, destination, place, seen, severity, why
from analyzer.rules.telling import Detection, Opinion, Owner, Severity

_FETCH = r"\.download(?:string|data|file)(?:async)?\W|\b(?:iwr|irm|curl|wget|invoke-webrequest|invoke-restmethod)\b|\.openread\(|msxml2\.xmlhttp|winhttprequest"
_RUN = r"\biex\b|invoke-expression|\[scriptblock\]::create|\.invokescript\(|\.invokecommand\."

LOOKS_FOR = (
    Detection(
        "fetch-and-run",
        ("download", "iwr", "irm", "curl", "wget", "invoke-webrequest", "invoke-restmethod", "openread", "xmlhttp", "winhttprequest"),
        {"fetch": {"CommandLine|re": _FETCH}, "run": {"CommandLine|re": _RUN}, "condition": "fetch and run"},
        "fetches code and runs it",
        Severity.MEDIUM,
        ("T1059.001", "T1105"),
    ),
    Detection(
        "assembly-from-bytes",
        ("assembly]::load(", "assembly]::load ", "appdomain]::currentdomain.load(", "assembly.load("),
        {
            "load": {"CommandLine|re": r"(?:assembly\]::load|currentdomain\.load|assembly\.load)\s*\("},
            "bytes": {"CommandLine|re": r"frombase64string|\[byte\[\]\]|\.downloaddata|readallbytes|\.toarray\(|gzipstream|deflatestream"},
            "condition": "load and bytes",
        },
        "loads a .NET assembly from bytes in memory",
        Severity.HIGH,
        ("T1620",),
    ),
    Detection(
        "code-in-memory",
        ("virtualalloc", "getdelegateforfunctionpointer", "createremotethread", "writeprocessmemory", "invoke-reflectivepeinjection", "invoke-shellcode"),
        {
            "tool": {"CommandLine|contains": ["invoke-reflectivepeinjection", "invoke-shellcode", "createremotethread", "writeprocessmemory"]},
            "memory": {"CommandLine|contains": "virtualalloc"},
            "start": {"CommandLine|contains": ["getdelegateforfunctionpointer", "createthread", "marshal]::copy", "marshal.copy"]},
            "condition": "tool or (memory and start)",
        },
        "writes code into the memory of a process and starts it",
        Severity.HIGH,
        ("T1055", "T1620"),
    ),
    Detection(
        "decompress-and-run",
        ("gzipstream", "deflatestream"),
        {
            "plain": {"CommandLine|contains|all": ["frombase64string"]},
            "inflate": {"CommandLine|contains": ["gzipstream", "deflatestream"]},
            "run": {"CommandLine|re": _RUN},
            "condition": "plain and inflate and run",
        },
        "decompresses a script that it carries and runs it",
        Severity.MEDIUM,
        ("T1027", "T1059.001"),
    ),
    Detection(
        "windows-program",
        ("mshta", "regsvr32", "certutil", "bitsadmin", "rundll32"),
        {
            "mshta": {"CommandLine|re": r"\bmshta(?:\.exe)?[\"']?\s+[\"']?(?:https?:|javascript:|vbscript:)|rundll32(?:\.exe)?[\"']?\s+javascript:"},
            "regsvr32": {"CommandLine|re": r"\bregsvr32(?:\.exe)?[\"']?\s.{0,80}/i:https?:"},
            "certutil": {"CommandLine|re": r"\bcertutil(?:\.exe)?[\"']?\s.{0,80}[/-](?:urlcache|verifyctl)\b.{0,200}https?:"},
            "bitsadmin": {"CommandLine|re": r"\bbitsadmin(?:\.exe)?[\"']?\s.{0,80}/transfer\b.{0,200}https?:"},
            "condition": "mshta or regsvr32 or certutil or bitsadmin",
        },
        "fetches a file or code with a program of Windows",
        Severity.MEDIUM,
        ("T1218", "T1105"),
    ),
)

OPINION = Opinion(
    title=lambda tell: f"Code is fetched or loaded into memory on {destination(tell)}",
    name="Code is fetched or loaded into memory",
    severity=severity,
    worst=Severity.HIGH,
    confidence=TEXT,
    owner=Owner.SERVER,
    reference="ATT&CK T1059.001, T1105, T1620",
    advice=(
        "Look where the code comes from, and compare it with the installer of a known product. Read the whole script in the transcript. Look for "
        "connections of the server to the address in it."
    ),
    attack=attack,
    destination=destination,
    see=seen("attack.code-loading"),
    why=why,
    each=place,
    looks_for=LOOKS_FOR,
)
