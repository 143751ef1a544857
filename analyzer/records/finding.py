"""What a rule says, with all that is needed to check it by hand."""

from enum import StrEnum

from msgspec import Struct

PROXY_SERVERS = "Proxy Servers and WinRM"
"""Microsoft's page about proxies between WinRM clients and servers."""
ADDRESSES = {PROXY_SERVERS: "https://learn.microsoft.com/en-us/windows/win32/winrm/proxy-servers-and-winrm"}
"""Documents that have no number to be found by: their addresses by title."""


class Severity(StrEnum):
    """Sigma's levels, the first one shortened."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class ProductSetting(Struct, frozen=True, gc=False):
    """What to set in one product, and where its vendor describes it. ``seen``: this product is the one at work here, or the user named it."""

    product: str
    text: str
    document: str
    seen: bool = False


class Quotation(Struct, frozen=True, gc=False):
    """A sentence that a rule rests on, word for word, and where it stands: the document and its heading."""

    reference: str
    text: str


class Finding(Struct, frozen=True, gc=False):
    """``subject`` is the record it is about; ``evidence`` record ids; ``packets`` packet keys, the ones to look at first, in order.

    ``why`` is one paragraph made of facts; ``advice`` names what to change; ``reference`` the sentence or section it rests on; ``attack`` ATT&CK technique ids.
    """

    rule: str
    subject: str
    severity: Severity
    confidence: float
    title: str
    why: str
    evidence: tuple[str, ...]
    packets: tuple[int, ...]
    advice: str
    reference: str
    first_ns: int
    last_ns: int
    connections: tuple[str, ...]
    exchanges: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    user: str | None = None
    source: str | None = None
    destination: str | None = None
    owner: str | None = None
    """Which party has to change something: client, proxy, server, network or capture; None where the rule does not say."""
    settings: tuple[ProductSetting, ...] = ()
    """The advice for each product, the one that was seen first."""
    reference_text: str | None = None
    """The sentence that ``reference`` leads to, word for word, where it is quoted."""
