"""Words that stay: those of the protocols, of Windows, of PowerShell, and of this program's own sentences. None of them names anyone."""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from analyzer.pseudonyms.words import WORD

_DOCUMENT = re.compile(r'^\s*"""[\s\S]*?"""', re.MULTILINE)
_QUOTED = re.compile(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_SENTENCES = ("rules", "incidents", "reports", "story", "tables", "records")
_TEXTS = (".html", ".css", ".js", ".json", ".toml", ".csv")
NAMED = frozenset(
    """
    administrator administrators guest guests system anonymous krbtgt localhost localdomain workgroup builtin authority nt service network everyone users
    com net org edu gov int local lan home internal corp intranet arpa addr in ip6 www example invalid test onmicrosoft
    http https wsman host cifs ldap termsrv rpc rpcss dns gc mssqlsvc restrictedkrbhost exchangemdb smtp imap tcp udp msdcs sites kerberos kpasswd pdc
    cn ou dc st emailaddress uid serialnumber street
    """.split()  # noqa: SIM905  a list of so many words is easier to read so
)
"""Words of names that stay: accounts and services that every Windows has, the last words of domain names, attribute types."""
PUBLIC = "public_words.txt"
"""Words of command lines: nouns of cmdlets, programs and folders of Windows, parameters."""
PAGES = "page_words.txt"
"""Words of the error pages of proxies and web servers."""


def _source(folder: Traversable) -> frozenset[str]:
    found: set[str] = set()
    for one in folder.iterdir():
        if one.is_dir() and one.name != "__pycache__":
            found |= _source(one)
        elif one.name.endswith(".py"):
            text = _DOCUMENT.sub("", one.read_text(encoding="utf-8"))
            found.update(word.lower() for quoted in _QUOTED.findall(text) for word in WORD.findall(re.sub(r"\\[nrtb]", " ", quoted)))
        elif one.name.endswith(_TEXTS):
            found.update(map(str.lower, WORD.findall(one.read_text(encoding="utf-8"))))
    return frozenset(found)


def _listed(name: str) -> frozenset[str]:
    return frozenset((files("analyzer.pseudonyms") / name).read_text(encoding="utf-8").lower().split())


@cache
def spoken() -> frozenset[str]:
    """The words of every text of this program, and of pages."""
    return _source(files("analyzer")) | NAMED | commands() | _listed(PAGES)


@cache
def sentences() -> frozenset[str]:
    """The words of the sentences, titles and columns in which names are told."""
    return frozenset().union(*(_source(files("analyzer") / part) for part in _SENTENCES))


@cache
def commands() -> frozenset[str]:
    """The words of command lines that stay: those that rules look for are among them."""
    own = (_source(files("analyzer") / place) for place in ("rules/attack", "reports/typed", "psrp", "wsman"))
    return _listed(PUBLIC).union(*own)
