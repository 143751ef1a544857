"""What is masked, as one declared table: programs with the switches and places that hold a secret, names of values, calls, and shapes.

A row is what the program's own documentation says: Windows Commands and Sysinternals (Microsoft Learn), man pages of curl, mysql, openssl and 7-Zip, the
documents of PuTTY, Rubeus, mimikatz and Impacket. Everything else in this folder is the reading of these rows.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Program(NamedTuple):
    """Which words after a program's name are secret. Names of switches are without dash or slash, in lower case unless ``cased``.

    ``values``: switches whose value is secret, after a space, a colon or an equals sign. ``joined``: those whose value follows without anything between.
    ``pairs``: switches with ``user:secret``, of which the part after ``separator`` is masked. ``nth``: switches with several values, and which of them it is.
    ``needs``: the first place has to be one of these words. ``places``: places that hold a secret, counted from 1 after ``needs``; a switch, the value of
    one of ``valued`` and what ``skipped`` names do not count. ``named``: a switch that names a value (``/v DefaultPassword``) and the switch that holds it;
    ``named_place``: the same with places. ``targets``: a place like ``domain/user:secret@host``. ``piped``: it reads the secret from a pipe.
    """

    names: tuple[str, ...]
    values: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
    pairs: frozenset[str] = frozenset()
    separator: str = ":"
    nth: Mapping[str, int] = {}
    needs: frozenset[str] = frozenset()
    places: frozenset[int] = frozenset()
    valued: frozenset[str] = frozenset()
    skipped: str = ""
    named: tuple[str, str] | None = None
    named_place: int = 0
    targets: bool = False
    piped: bool = False
    cased: bool = False


def _program(  # noqa: PLR0913 (one parameter for each kind of place, given by name)
    names: str,
    *,
    values: str = "",
    joined: str = "",
    pairs: str = "",
    separator: str = ":",
    nth: Mapping[str, int] | None = None,
    needs: str = "",
    places: tuple[int, ...] = (),
    valued: str = "",
    skipped: str = "",
    named: tuple[str, str] | None = None,
    named_place: int = 0,
    targets: bool = False,
    piped: bool = False,
    cased: bool = False,
) -> Program:
    return Program(
        tuple(names.split()),
        frozenset(values.split()),
        tuple(joined.split()),
        frozenset(pairs.split()),
        separator,
        nth or {},
        frozenset(needs.split()),
        frozenset(places),
        frozenset(valued.split()),
        skipped,
        named,
        named_place,
        targets,
        piped,
        cased,
    )


_SHARE = r"(?:[a-z]:|\*|lpt\d:?|com\d:?|\\.*|https?://.*)"
"""What `net use` takes besides a password: a device, a share."""

_HOURS = r"\d{1,2}(?::\d\d)?(?:[ap]m)?-\d{1,2}(?::\d\d)?(?:[ap]m)?(?:[;,].*)?"
"""What `net user /times` has after a comma, which ends a word in PowerShell."""

PROGRAMS: tuple[Program, ...] = (
    # accounts and logons of Windows
    _program("net net1", needs="user users", places=(2,), skipped=_HOURS, piped=True),
    _program("net net1", needs="use", places=(1,), skipped=_SHARE),
    _program("runas", piped=True),
    _program("runascs", places=(2,), valued="d domain l logon-type t timeout r remote f function"),
    _program("cmdkey", values="pass p"),
    _program("vaultcmd", values="authenticator"),
    _program("winrm", values="p password"),
    _program("wecutil", values="cup commonuserpassword up userpassword"),
    _program("psexec psexec64 paexec psservice pskill pslist psinfo psloglist pspasswd psshutdown psfile psgetsid pssuspend", values="p"),
    _program("pspasswd pspasswd64", places=(2,), valued="u p", skipped=r"\\\\.*"),
    _program("winrs", values="p password"),
    _program("schtasks", values="p rp"),
    _program("wmic", values="password"),
    _program(
        "tasklist taskkill systeminfo driverquery openfiles getmac gpresult eventcreate takeown waitfor wecutil wevtutil bootcfg cmdkey diskraid",
        values="p password",
    ),
    _program("logman", nth={"u": 2}),
    _program("tscon", values="password"),
    _program("rasdial", places=(3,)),
    _program("wbadmin", values="password"),
    _program("manage-bde", values="recoverypassword rp password pw"),
    _program("bitsadmin", nth={"setcredentials": 5}),
    _program("netsh", values="key keymaterial password"),
    _program("autologon autologon64", places=(3,)),
    _program("lsrunas lsrunase cpau runasspc psrunas sanur", values="p pwd password"),
    # directory
    _program("netdom", values="pd passwordd po passwordo pt passwordt pf passwordf pm passwordm up"),
    _program("dsadd dsmod dsquery dsget dsrm dsmove", values="p pwd"),
    _program("ksetup", nth={"setcomputerpassword": 1, "changepassword": 1}),
    _program("ksetup", nth={"changepassword": 2}),
    _program("ktpass", values="pass"),
    _program("ldifde csvde", nth={"b": 3}),
    _program("adfind admod", values="up"),
    _program("ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami", values="w", joined="w", cased=True),
    _program("djoin adtool", values="password"),
    # registry and environment
    _program("reg", named=("v", "d")),
    _program("set-itemproperty new-itemproperty set-variable new-variable set-wmiinstance", named=("name", "value")),
    _program("setx", named_place=1, valued="s u p k f"),
    _program("set-item new-item", named_place=1, valued="force"),
    _program("aws", named_place=3, values="secret-key secret-access-key session-token master-user-password password secret-string user-password"),
    _program("git", named_place=2),
    # databases
    _program("sqlcmd osql isql bcp", values="P Z", joined="P Z", cased=True),
    _program("mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mariadb mariadb-dump mysqlpump mysqlsh", values="password", joined="p", cased=True),
    _program("mongo mongosh mongodump mongorestore mongoimport mongoexport", values="p password"),
    _program("redis-cli", values="a pass"),
    _program("sqlplus sqlldr expdp impdp rman", targets=True, separator="/"),
    _program("psql pg_dump pg_restore", values="password"),
    # transfer and remote shells
    _program("curl", values="pass proxy-pass oauth2-bearer tlspassword proxy-tlspassword", pairs="u U user proxy-user E cert", cased=True),
    _program("curl", pairs="b cookie", separator="=", cased=True),
    _program("wget wget2", values="password http-password http-passwd ftp-password proxy-password proxy-passwd"),
    _program("plink pscp psftp putty kitty klink pageant", values="pw"),
    _program("winscp", values="password passphrase newpassword"),
    _program("sshpass", values="p", joined="p"),
    _program("xfreerdp wfreerdp mstscex rdesktop", values="p gp"),
    _program("smbclient rpcclient smbget smbmap rpcinfo wmis winexe pth-winexe", values="password p", pairs="u user", separator="%"),
    _program("evil-winrm evil-winrm-py", values="p password h hash"),
    _program("crackmapexec cme netexec nxc kerbrute bloodhound-python certipy certipy-ad bloodyad", values="p password h hash hashes aes aeskey aes-key"),
    _program(
        "psexec.py wmiexec.py smbexec.py atexec.py dcomexec.py secretsdump.py getst.py gettgt.py getuserspns.py getnpusers.py ticketer.py "
        "smbclient.py mssqlclient.py addcomputer.py rpcdump.py reg.py services.py lookupsid.py impacket-psexec impacket-wmiexec impacket-smbexec "
        "impacket-atexec impacket-dcomexec impacket-secretsdump impacket-getst impacket-gettgt impacket-getuserspns impacket-smbclient "
        "impacket-mssqlclient impacket-addcomputer",
        values="hashes aeskey computer-pass nthash",
        targets=True,
    ),
    # archives, certificates and keys
    _program("7z 7za 7zr 7zz 7zg", joined="p"),
    _program("rar unrar winrar", joined="hp p"),
    _program("zip unzip", values="P", joined="P", cased=True),
    _program("certutil", values="p"),
    _program("signtool", values="p"),
    _program("pvk2pfx", values="pi po"),
    _program("openssl", values="k K passin passout pass password", cased=True),
    _program("keytool jarsigner", values="storepass keypass srcstorepass deststorepass new"),
    _program("gpg gpg2", values="passphrase"),
    _program("ssh-keygen", values="N P", cased=True),
    # clouds and tools of operations
    _program("az", values="p password admin-password account-key sas-token client-secret secret value certificate-password ssh-key-passphrase"),
    _program("docker podman nerdctl", needs="login", values="p password", piped=True),
    _program("kubectl helm oc", values="token password"),
    _program("oc", needs="login", values="p"),
    _program("vault", values="token"),
    _program("vault", needs="login", places=(1,), skipped=".*=.*"),
    _program("sudo chpasswd kinit passwd smbpasswd", piped=True),
    _program("msdeploy", values="password"),
    _program("appcmd", values="password processmodel.password"),
    _program("convertto-securestring", values="string s st str stri strin k key securekey", places=(1,), valued="k key securekey", piped=True),
)
"""By what stands first in a command line: names in lower case, without a path and without .exe."""

STEMS = (
    r"passw(?:o(?:r(?:d|t)?)?|d)?|passphrases?|passcode|cpassword|pass|pwd|pw|secret|api[_-]?key|apikey|access[_-]?key|account[_-]?key|shared[_-]?key"
    r"|secret[_-]?access[_-]?key|secret[_-]?key|shared[_-]?access[_-]?(?:key|signature)|subscription[_-]?key|private[_-]?key|client[_-]?secret"
    r"|(?:access|auth|refresh|id|session|security|api|bearer|sas)[_-]?token|token|validationkey|decryptionkey|recoverypassword|keymaterial|key content"
)
"""What a name ends with whose value is secret; digits may follow."""
WEAK = frozenset({"pass", "pw", "token", "passw"})
"""Of these, what has to be a word of its own within the name: bypass and compass are none."""
HASHES = (
    r"ntlm|nthash|nt_hash|lmhash|ntlmhash|rc4(?:_hmac(?:_nt)?)?|aes(?:128|256)?(?:_hmac|_cts_hmac_sha1(?:_96)?|key)?"
    r"|des[_-]cbc[_-](?:md5|crc)|krbtgt|hashes|hash ntlm|hash"
    r"|aes(?:128|256)-cts-hmac-sha1-96|masterkey|newntlm|oldntlm|nthash"
)
"""Names whose value is secret where it is hexadecimal digits of the length of a key, or a ticket."""
NAME_HINTS = ("pass", "pwd", "pw", "secret", "token", "key", "signature", "ntlm", "hash", "rc4", "aes", "krbtgt", "des_cbc", "des-cbc", "masterkey")
"""Without any of these in lower case there is none of these names in a text."""
EXEMPT = frozenset(
    """
    publickeytoken mustchpwd canchpwd reversiblepwd acctpwd getpassword readpassword showpassword promptforpassword nopassword randompassword
    generatepassword resetpassword savepassword requirepassword usepassword hidepassword blankpassword
    cancellationtoken canceltoken pathtoken updatepassword updatesecret stalepwd
    """.split()  # noqa: SIM905 (a list of so many words is easier to read so)
)
"""Names that end so and hold no secret: switches, answers, the public part of a key."""
PLAIN_VALUES = frozenset(
    """
    true false yes no never none null nil $true $false $null required expired disabled enabled optional unknown n/a - * ? [ ( { @{ @( =
    system.security.securestring securestring system.string string
    """.split()  # noqa: SIM905 (as above)
)
"""Values that are none: answers, placeholders and types."""
CALL_HINTS = (
    "credential",
    "directoryentry",
    "principalcontext",
    "password",
    "logonuser",
    "x509certificate",
    "derivebytes",
    "registertask",
    "mapnetworkdrive",
    "change(",
)
"""Without any of these in lower case there is none of these calls in a text."""
CALLS: Mapping[str, tuple[int, ...]] = {
    "networkcredential": (2,),
    "pscredential": (2,),
    "sqlcredential": (2,),
    "directoryentry": (3,),
    "validatecredentials": (2,),
    "principalcontext": (5, 4),
    "setpassword": (1,),
    "changepassword": (1, 2),
    "logonuser": (3,),
    "x509certificate2": (2,),
    "x509certificate": (2,),
    "usernamepasswordcredential": (2,),
    "clientsecretcredential": (3,),
    "clientcredential": (2,),
    "registertaskdefinition": (5,),
    "registertask": (5,),
    "mapnetworkdrive": (5,),
    "change": (8,),
    "rfc2898derivebytes": (1,),
    "passwordderivebytes": (1,),
}
"""Constructors and methods, and which of their arguments is the secret."""


class Shape(NamedTuple):
    """``pattern`` is tried where one of ``hints`` stands in the text in lower case; the group ``value``, or all of it, is the secret."""

    hints: tuple[str, ...]
    pattern: str


_HEX = "[0-9a-fA-F]"
SHAPES = (
    Shape(("eyj",), r"\beyJ[A-Za-z0-9_-]{6,}+\.eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]*+"),
    Shape(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_\w{22,}+)"),
    Shape(("glpat-", "xox", "aiza", "sk_live_", "npm_"), r"\b(?:glpat-[\w-]{20,}+|xox[abprs]-[\w-]{10,}+|AIza[\w-]{35}|sk_live_\w{16,}+|npm_\w{30,}+)"),
    Shape(("private key-----",), r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?P<value>(?:[^-]|-(?!----))*+)"),
    Shape((":::",), rf"(?<=[^\s:]):\d{{1,10}}:(?P<value>{_HEX}{{32}}:{_HEX}{{32}})(?!{_HEX})"),
    Shape(("::",), rf"(?<=[^\s:])::[^\s:]{{0,104}}:(?P<value>{_HEX}{{16,48}}:{_HEX}{{32,}}+:{_HEX}++)"),
    Shape(("$krb5", "$dcc2$"), r"\$(?:krb5(?:tgs|asrep|pa)|DCC2)\$(?P<value>[^\s\"'<>]++)"),
    Shape(("$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$apr1$"), r"\$(?:1|2[aby]|5|6|y|apr1)\$(?P<value>[./A-Za-z0-9$=,]{20,}+)"),
    Shape(("://",), r"://[^\s/:@\"'<>]{0,128}:(?P<value>[^\s/@\"'<>]{1,256})@"),
    Shape(
        ("authorization",),
        r"(?i)\bauthorization\b[\"']?\]?[^\S\r\n]{0,8}(?:[:=]|,)[^\S\r\n]{0,8}[\"']?[a-z-]{2,20}[^\S\r\n]{1,4}(?P<value>(?!realm=)[^\s\"'<>;$(]{4,}+)",
    ),
    Shape(("cookie",), r"(?i)\bcookie[\"']?\]?[^\S\r\n]{0,8}[:=][^\S\r\n]{0,8}[\"']?(?P<value>[\w.-]{1,80}=[^\"'\r\n]{4,}+)"),
    Shape(("reg_",), r"(?i)(?:passw(?:or)?d|pwd|secret)\w{0,20}[^\S\r\n]{1,64}REG_(?:EXPAND_|MULTI_)?SZ[^\S\r\n]{1,64}(?P<value>[^\r\n]++)"),
    Shape(("doi",), r"(?<![A-Za-z0-9+/])doI[A-Za-z0-9+/]{60,}+={0,2}"),
    Shape(("-",), r"(?<![\d-])(?:\d{6}-){7}\d{6}(?![\d-])"),
    Shape(("identified",), r"(?i)\bidentified\s{1,8}by\s{1,8}(?:password\s{1,8})?(?P<value>\"[^\"\r\n]{1,256}\"|'[^'\r\n]{1,256}'|[^\s;,'\"]{1,256})"),
    Shape(
        ("password", "passphrase", "secret"),
        r"(?i)(?<![-/\w$.])(?:password|passphrase|secret)[^\S\r\n]{1,8}(?P<value>N?'[^'\r\n]{1,256}'|\"[^\"\r\n]{1,256}\")",
    ),
    Shape(("login",), r"(?i)\blogin\s{1,8}\S{1,104}\s{1,8}password\s{1,8}(?P<value>\S++)"),
    Shape(("appendchar",), r"(?i)(?P<value>\"[^\"\r\n]{1,256}\"|'[^'\r\n]{1,256}')\.ToCharArray\(\)"),
    Shape(
        ("value",),
        r"(?i)<(?:\w{1,20}:)?\w{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|apikey)\s[^<>]{0,200}?(?<=\s)value\s?=\s?[\"'](?!(?:true|false|yes|no|\d{1,3})[\"'])"
        r"(?P<value>[^\"'<>]{1,1024})",
    ),
    Shape(
        ("<value",),
        r"(?i)\bname=\"\w{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|apikey)\"[^<>]{0,200}>\s{0,200}<value(?:\s[^<>]{0,100})?>(?P<value>[^<>]{1,4096})</",
    ),
    Shape(("win32_share",), r"(?i)win32_share[^;\r\n]{0,80}?\bcreate\((?:[^,()\r\n]{0,260},){5}\s{0,8}(?P<value>'[^'\r\n]{1,256}'|\"[^\"\r\n]{1,256}\")"),
    Shape(("bearer",), r"(?i)\bbearer[^\S\r\n]{1,4}(?P<value>[A-Za-z0-9._~+/=-]{16,}+)"),
    Shape(("sig=", "sas=", "code=", "key="), r"(?i)[?&](?:sig|sas|code|key)=(?P<value>[^\s&#\"'<>]{8,}+)"),
    Shape(("sha1", "ntlm", "lm ", "dpapi"), rf"(?i)\*[^\S\r\n]{{1,8}}(?:SHA1|DPAPI|LM|NTLM)[^\S\r\n]{{0,8}}:[^\S\r\n]{{0,4}}(?P<value>{_HEX}{{32,64}})\b"),
)
"""What is a secret by its own looks: tokens, private keys, hashes as tools print them, the user part of an address."""
