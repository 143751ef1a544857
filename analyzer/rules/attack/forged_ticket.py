"""A Kerberos ticket has signs of a forged one.

Detects
    A service ticket that was used for WinRM, and at least one of these signs. It is encrypted with RC4, while the same
    service has AES tickets in the capture. Its realm is written in small letters, while the KDC and other tickets
    write it in capitals. A key decrypted it, and it lasts longer than a KDC of Windows gives tickets for (30 days). The
    KDC did not issue it in the capture, although the client's logon to the KDC and its other tickets are there. The
    ticket-granting ticket that it was asked for with is encrypted with RC4, while the KDC encrypts them with AES.
Impact
    Who has the hash of a service account can write tickets for that service (silver ticket). Who has that of krbtgt can
    write them for every account (golden ticket). No KDC is asked, and no password is needed.
False positives
    All signs have harmless causes, and a careful forger leaves none of them. A client without AES asks for RC4. A
    ticket may be older than the capture, of another logon on the same host, or from another domain controller that the
    capture point does not see. A KDC of MIT or Heimdal may give long tickets, and its realm may be in small letters.
    Where the KDC's traffic is not in the capture, nothing is said about it. Across a trust between realms, a client
    presents a ticket of its own realm's KDC, which is often encrypted with RC4. Therefore nothing is said of a
    ticket-granting ticket that a KDC issued in the capture, or that was presented to another realm than the one in
    which the client logged on.
Requires
    The client's AP-REQ. For each sign what it is compared with: the KDC's traffic, other tickets, or a keytab.
References
    RFC 4120 sections 5.3 and 6.1; MS-KILE 3.3.5.7; ATT&CK T1558.001, T1558.002.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from analyzer.records.auth import Conversation, KerberosToken, Mechanism, Step
from analyzer.records.ids import key_capture
from analyzer.records.kerberos import KdcKind, KdcMessage
from analyzer.rules.asking import server_words, spoken, where
from analyzer.rules.reading import counted, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell, place_and

LONGEST = Param("longest_hours", 720, "hours", "how long a ticket may last without being a sign")
_AES, _RC4 = (17, 18, 19, 20), (23, 24)
_HOUR = 3600


class Mark(Enum):
    """A sign, in words: what is so, and what it is compared with."""

    RC4 = "It is encrypted with RC4, while other tickets for this service are encrypted with AES"
    REALM = "Its realm is written in small letters, while it is in capitals elsewhere"
    LONG = "It lasts longer than KDCs give tickets for"
    NOT_ISSUED = "No KDC issued it in the capture, although this client's logon to its KDC is there"
    GRANTING = "It was asked for with an RC4 ticket-granting ticket, while the KDC encrypts these with AES"


class Marked(Fact, frozen=True):
    """A ticket with its signs, the packets of the KDC that they rest on, and how long it lasts (seconds, where a key shows it)."""

    token: KerberosToken
    marks: tuple[Mark, ...]
    kdc: tuple[int, ...]
    lasts_s: int | None


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Marked]:
    """One sign for each logon with such a ticket."""
    tickets = tuple(spoken(evidence, Mechanism.KERBEROS))
    if not tickets:
        return
    known = _Known(evidence)
    for conversation in tickets:
        for step in conversation.steps:
            token = None if step.token is None or not step.from_client else step.token.kerberos
            if isinstance(token, KerberosToken) and token.ticket is not None and step.packets:
                lasts = None if conversation.ticket_lasts is None else conversation.ticket_lasts[1] - conversation.ticket_lasts[0]
                found = dict(known.marks(conversation, step, token))
                if lasts is not None and lasts > values["longest_hours"] * _HOUR:
                    found[Mark.LONG] = ()
                if found:
                    kdc = tuple(dict.fromkeys(packet for packets in found.values() for packet in packets))
                    marked = Marked(token, tuple(mark for mark in Mark if mark in found), kdc, lasts)
                    yield Sign(marked, (step.exchange,), (*step.packets[:1], *kdc), (conversation.connection,), user=who(conversation))
                break


class _Known:
    """What tickets are compared with."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.issued: dict[bytes, KdcMessage] = {}
        self.of_client: dict[str, list[KdcMessage]] = defaultdict(list)
        self.aes: dict[str, tuple[int, ...]] = {}
        self.realms: set[str] = set()
        self.aes_granting: dict[str, KdcMessage] = {}
        for message in evidence.kdc:
            self._kdc(message)
        for conversation in evidence.conversations:
            for step in conversation.steps:
                token = None if step.token is None else step.token.kerberos
                if isinstance(token, KerberosToken) and token.spn:
                    self.realms.add(token.realm or "")
                    if token.etype in _AES:
                        self.aes.setdefault(token.spn.lower(), step.packets[:1])

    def _kdc(self, message: KdcMessage) -> None:
        self.of_client[message.client_host].append(message)
        if message.ticket is not None:
            self.issued.setdefault(message.ticket, message)
            self.realms.add(message.realm or "")
            if message.etype in _AES and message.service:
                self.aes.setdefault(message.service.lower(), message.packets[:1])
            if message.kind is KdcKind.AS_REP and message.etype in _AES:
                self.aes_granting.setdefault((message.realm or "").lower(), message)

    def marks(self, conversation: Conversation, step: Step, token: KerberosToken) -> Iterator[tuple[Mark, tuple[int, ...]]]:
        """The signs of a ticket, each with the packets of what it is compared with. One that a KDC issued in the capture is not forged."""
        said = self.of_client.get(self.evidence.connections[conversation.connection].client.host, ())
        reply = self.issued.get(token.ticket or b"")
        if reply is not None:
            yield from self._granting(said, reply)
            return
        service, realm = (token.spn or "").lower(), token.realm or ""
        if token.etype in _RC4 and service in self.aes:
            yield Mark.RC4, self.aes[service]
        if realm != realm.upper() and realm.upper() in self.realms:
            yield Mark.REALM, ()
        yield from self._not_issued(said, step, service)

    def _not_issued(self, said: Sequence[KdcMessage], step: Step, service: str) -> Iterator[tuple[Mark, tuple[int, ...]]]:
        """The client logged on to its KDC in the capture, got tickets, and none for this service, before it used this one."""
        before = [one for one in said if one.ts_ns < step.ts_ns and key_capture(one.packets[0]) == key_capture(step.packets[0])]
        logon = next((one for one in before if one.kind is KdcKind.AS_REP), None)
        others = [one for one in before if one.kind is KdcKind.TGS_REP]
        limited = any(issue.code == "capture.limit" and issue.detail.startswith("kdc_") for issue in self.evidence.issues)
        if logon is not None and others and not limited and not any((one.service or "").lower() == service for one in before):
            yield Mark.NOT_ISSUED, (*logon.packets[:1], *others[0].packets[:1])

    def _granting(self, said: Sequence[KdcMessage], reply: KdcMessage) -> Iterator[tuple[Mark, tuple[int, ...]]]:
        """The request that the reply answers presented an RC4 ticket-granting ticket of a realm whose KDC encrypts them with AES.

        The client logged on in this realm in the capture, and no KDC issued that ticket there: across a trust, another realm's KDC encrypts it otherwise.
        """
        asked = [one for one in said if one.kind is KdcKind.TGS_REQ and one.client_port == reply.client_port and one.ts_ns <= reply.ts_ns]
        if not asked or asked[-1].granting_etype not in _RC4 or asked[-1].granting in self.issued:
            return
        realm = (reply.realm or "").lower()
        at_home = realm == (asked[-1].realm or "").lower() and any(one.kind is KdcKind.AS_REP and (one.realm or "").lower() == realm for one in said)
        usual = self.aes_granting.get(realm)
        if usual is not None and at_home:
            yield Mark.GRANTING, (*usual.packets[:1], *asked[-1].packets[:1])


def _strong(tell: Tell[Marked]) -> bool:
    return any(len(one.marks) > 1 or Mark.LONG in one.marks for one in tell.facts)


def why(tell: Tell[Marked]) -> str:
    first = tell.first.fact
    lasts = f": {first.lasts_s / _HOUR / 24:,.0f} days" if first.lasts_s is not None else ""
    seen = f" It is compared with {tell.packet(first.kdc[0])}." if first.kdc else ""
    signs = " ".join(f"{mark.value}{lasts if mark is Mark.LONG else ''}." for mark in first.marks)
    return (
        f"{tell.connection.client.host} used {counted(tell.count, 'ticket')} for {first.token.spn or 'a service without a name'} at "
        f"{server_words(tell.connection)}. The first is {where(tell)}. {signs}{seen} Each sign has harmless causes, too."
    )


OPINION = Opinion(
    title=lambda tell: f"Kerberos ticket of {tell.connection.client.host} has signs of a forged one",
    name="Kerberos ticket with signs of a forged one",
    severity=lambda tell: Severity.LOW if _strong(tell) else Severity.INFO,
    worst=Severity.LOW,
    confidence=lambda tell: 0.4 if _strong(tell) else 0.2,
    owner=Owner.CLIENT,
    reference="ATT&CK T1558.001, T1558.002",
    advice=("Look at the domain controller for event 4769 of this service, account and time. Find out which program on the client used the ticket."),
    attack=("T1558",),
    see=see,
    why=why,
    each=place_and(lambda marked: (marked.token.spn, marked.marks)),
    params=(LONGEST,),
)
