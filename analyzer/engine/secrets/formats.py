"""The forms in which people have secrets: add one by adding its reader and a row here.

A file is told by its content, by the first row that knows it: what is binary, then what has marks of its own, last what is text without any. A test asks each
row for its example, and that no row before it takes the example for its own.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from analyzer.engine.secrets import binary, dumps, lists, lsass, tls, toml
from analyzer.engine.secrets.content import Content, Entry


class Format(NamedTuple):
    """``name`` in one word; ``means`` in a sentence; how its content is known; what reads it. The reader raises `UsageError` for a damaged file."""

    name: str
    means: str
    knows: Callable[[Content], bool]
    read: Callable[[Content], Iterator[Entry]]


FORMATS: tuple[Format, ...] = (
    Format("keytab", "a Kerberos keytab", binary.is_keytab, binary.keytab),
    Format("ccache", "a Kerberos credential cache", binary.is_ccache, binary.ccache),
    Format("kirbi", "a Kerberos ticket of mimikatz or Rubeus (.kirbi, or its base64)", binary.is_kirbi, binary.kirbi),
    Format("rsa-key", "a server's RSA private key (PEM, PKCS #8)", tls.is_key, tls.private_key),
    Format("toml", "passwords, hashes and keys in TOML", toml.is_toml, toml.entries),
    Format("keylog", "a TLS key log (SSLKEYLOGFILE)", tls.is_keylog, tls.keylog_file),
    Format("pypykatz-json", "output of pypykatz in JSON", lsass.is_pypykatz_json, lsass.pypykatz_json),
    Format("pypykatz-grep", "output of pypykatz for grep", lsass.is_pypykatz_grep, lsass.pypykatz_grep),
    Format("pypykatz", "output of pypykatz", lsass.is_pypykatz_text, lsass.lsass_text),
    Format("mimikatz", "output of mimikatz", lsass.is_mimikatz, lsass.lsass_text),
    Format("secretsdump", "output of secretsdump or pwdump", dumps.is_dump, dumps.dump),
    Format("list", "passwords or hashes, one a line, or a potfile", lists.is_list, lists.lines),
)
