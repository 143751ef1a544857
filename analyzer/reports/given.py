"""The section *Keys*: what each given password, hash and key decrypted, which fitted nothing and why, and which others would help."""

from collections import Counter
from collections.abc import Iterator

from analyzer.formats.text import visible
from analyzer.records.auth import Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.kerberos import KdcKind
from analyzer.records.secrets import KeyUse
from analyzer.reports.facts import counted
from analyzer.reports.lines import Line, line, paragraph

_SHOWN = 8
"""Secrets that are named one by one, and reasons."""


def used_lines(evidence: Evidence, width: int) -> Iterator[Line]:
    """What became of the secrets that were given; nothing where none was."""
    fits = [use for use in evidence.keys if use.fits]
    others = [use for use in evidence.keys if not use.fits]
    for use in fits[:_SHOWN]:
        yield from paragraph(_of_one(use), width, label="fits: ", indent=2)
    if len(fits) > _SHOWN:
        yield line(f"  fits: {len(fits) - _SHOWN:,} more (winrm-analyzer show keys)")
    if not others:
        return
    reasons = Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], KeyUse] = {}
    for use in others:
        key = (use.file or "", _reason(use))
        reasons[key] += use.repeats
        examples.setdefault(key, use)
    for key, count in reasons.most_common(_SHOWN):
        use = examples[key]
        told = f"{use.tag}: {use.why}" if count == 1 else f"{counted(count, 'entry', 'entries')} of {key[0] or 'the file'}: {key[1]}"
        yield from paragraph(told, width, label="fits nothing: ", indent=2)
    if len(reasons) > _SHOWN:
        rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(_SHOWN))
        yield line(f"  fits nothing: {rest:,} more, for {len(reasons) - _SHOWN:,} other reasons (winrm-analyzer show keys)")


def _of_one(use: KeyUse) -> str:
    words = []
    if use.messages:
        words.append(f"decrypted {counted(use.messages, 'message')}")
    if use.logons:
        words.append(f"proved for {counted(len(use.logons), 'logon')} ({_some(use.logons)})")
    elif use.connections:
        words.append(f"opened {counted(len(use.connections), 'connection')} ({_some(use.connections)})")
    if use.why:
        words.append(use.why)
    return f"{use.tag}: {', '.join(words)}"


def _some(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:4]) + (f" and {len(ids) - 4:,} more" if len(ids) > 4 else "")


def _reason(use: KeyUse) -> str:
    """The reason without the account's name in it."""
    user = (use.account or "").rpartition("\\")[2].partition("@")[0]
    return (use.why or "").replace(user, "that user") if user else use.why or ""


def whose_lines(evidence: Evidence, width: int) -> Iterator[Line]:
    """For Kerberos logons whose messages were not decrypted: whose key would do, as several would."""
    told: dict[str, None] = {}
    closed = {message.exchange.rpartition(".x")[0] for message in evidence.messages.values() if message.opened_absent == "sealed"}
    for spoken in evidence.conversations:
        if spoken.mechanism is Mechanism.KERBEROS and spoken.secret is None and spoken.connection in closed:
            told.update(dict.fromkeys(_whose(evidence, spoken.spn, spoken.realm)))
    for text in told:
        yield from paragraph(text, width, label="or ", indent=4)


def _whose(evidence: Evidence, spn: str | None, realm: str | None) -> Iterator[str]:
    host = (spn or "").partition("/")[2].partition(".")[0].partition(":")[0]
    if host:
        yield f"the keys or NT hash of the account of {visible(spn or '')}: the computer {visible(host.upper())}$, unless a service account has it"
    clients = {f"{one.client}@{one.realm}" for one in evidence.kdc if one.kind is KdcKind.AS_REP and one.client}
    for client in sorted(clients)[:4]:
        yield f"the password or keys of {visible(client)}, whose exchange with the KDC is in the captures"
    if clients or any(one.kind is KdcKind.TGS_REP for one in evidence.kdc):
        yield f"the keys of krbtgt{f' of {visible(realm)}' if realm else ''}, as the KDC's exchanges are in the captures"
