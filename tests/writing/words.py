"""Words and spellings that no text for a user has, what stands there instead, and where each list comes from.

A pattern is looked for in prose: code (between backquotes, in blocks of code), names of files, options, columns and values are none.
"""

import re
from typing import NamedTuple


class Banned(NamedTuple):
    """A pattern, and what to write instead."""

    pattern: str
    instead: str


FIELD = (
    Banned(r"(un)?seal(s|ed)?", "encrypt(s|ed): MS-WSMV calls it message encryption"),
    Banned(r"(bod(y|ies)|messages?|traffic) (that )?((is|are|was|were|could be|can be|cannot be|not) )*opened", "decrypted, as Wireshark says"),
    Banned(r"opens? (the )?(sealed|encrypted|body|bodies|messages|traffic|tickets?)", "decrypt(s), as Wireshark says"),
    Banned(r"opened bodies", "decrypted, as Wireshark says"),
    Banned(r"(?<!handshake )(?<!session )(?<!decryption )secrets?", "key or password, whichever it is"),
    Banned(r"(upstream |client |client's )?legs?", "client side, server side"),
    Banned(r"(near|far) (side|end|exchange|connection|one|half)s?", "client side, server side"),
    Banned(r"(goes|went|go|gone) on as", "was forwarded as (RFC 9110 section 3.7)"),
)
"""Own words where MS-WSMV, RFC 9110 and Wireshark have a term that the reader knows."""

FOREIGN = (
    Banned(r"gravest|graver|gravity|this grave|grave", "most severe, severity"),
    Banned(r"anew", "again"),
    Banned(r"beside", "next to"),
    Banned(r"towards", "to"),
    Banned(r"in vain", "never answered, or failed"),
    Banned(r"mostly", "usually"),
    Banned(r"whoever", "anyone who"),
    Banned(r"(some|no)body('s)?", "someone, no one"),
    Banned(r"(is|are|was|were) in order", "is fine"),
    Banned(r"held against|holds? (it|them|each|each proxy) against", "checked against"),
    Banned(r"(?<!there )(is|are) no (finding|verdict|error|alarm|failure|proof|packet|case folder)s?", "is not a ..."),
    Banned(r"nothing was odd|nothing is missing", "no capture problems; no packets are missing"),
    Banned(r"not seen", "not tested, or: not in the capture"),
    Banned(r"waited for nothing", "spent on what failed"),
)
"""Grammatical, but nobody of the trade says so: what readers of early versions stumbled over."""

SPELLING = (
    Banned(
        r"(recogni|authori|organi|normali|summari|initiali|synchroni|minimi|maximi|optimi|generali|seriali|capitali|characteri)s(e|es|ed|ing|ation)", "-ize"
    ),
    Banned(r"analys(e|es|ed|er|ers|ing)", "analyze"),
    Banned(r"(un)?(colou|behaviou|favou|honou|neighbou)r(s|ed|ing|able|ite|less)?", "-or"),
    Banned(r"catalogues?", "catalog"),
    Banned(r"licences?", "license"),
    Banned(r"centres?", "center"),
    Banned(r"grey", "gray"),
    Banned(r"time-outs?", "timeout"),
    Banned(r"cancelled|labelled|travelled|modelled", "-eled"),
)
"""The American spelling of Microsoft's documents and the RFCs, everywhere the same."""

LISTS = {"FIELD": FIELD, "FOREIGN": FOREIGN, "SPELLING": SPELLING}
_CODE = re.compile(r"```.*?```|`[^`\n]*`|\"[^\"\n]*\"", re.DOTALL)
"""And what is quoted: those are the words of others."""
_NAMES = re.compile(
    r"--[a-z][a-z-]*|\b[\w-]+\.(?:toml|pcapng|pcap|pcap\.gz|md|py|cap|json|parquet)\b|\b\w+_\w+\b|\b[a-z]+\.[a-z]+-[a-z-]+\b|\bsample_pcaps/\S+|https?://\S+"
)


def prose(text: str) -> str:
    """A text without its code, options and names."""
    return _NAMES.sub(" ", _CODE.sub(" ", text))


def found(text: str) -> list[str]:
    """What a text has of the lists, with some words around it and what to write instead."""
    plain = prose(text)
    made = []
    for name, banned in LISTS.items():
        for one in banned:
            for match in re.finditer(rf"(?<![\w./-])(?:{one.pattern})(?![\w-])", plain, re.IGNORECASE):
                around = " ".join(plain[max(0, match.start() - 40) : match.end() + 30].split())
                made.append(f"{name}: ...{around}...: write {one.instead}")
    return made
