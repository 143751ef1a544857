"""What can be wrong with evidence. One table of kinds; an `Issue` is one occurrence (or several alike). An issue is never a finding."""

from typing import NamedTuple

from msgspec import Struct


class Kind(NamedTuple):
    """A row of KINDS: the stable code, how much it can hide (note, warning, error), and what it means to the person who reads the capture."""

    code: str
    level: str
    means: str


class Issue(Struct, frozen=True, gc=False):
    """One oddity of the evidence: ``code`` is in KINDS; ``record`` the id it belongs to (or None); ``capture`` the ordinal; ``packet`` a number or None."""

    code: str
    detail: str
    record: str | None = None
    capture: int | None = None
    packet: int | None = None
    repeats: int = 1


_KINDS = (
    Kind("capture.unreadable", "error", "The file could not be opened or is no capture format that is understood; nothing of it was read."),
    Kind("capture.changed", "error", "The file changed while it was read or analyzed; what was read may be of two versions. Copy the file first."),
    Kind("capture.passed-over", "warning", "A file next to captures, or in an archive with them, is no capture or could not be read."),
    Kind("capture.cut", "warning", "The file ends inside a record; everything before that was read."),
    Kind("capture.damaged-record", "error", "A record's lengths contradict each other; reading went on at the next record that can be trusted."),
    Kind("capture.unknown-link", "warning", "Packets of this link type are counted but not decoded."),
    Kind("capture.undecodable-packet", "note", "A packet's link, IP or TCP header is cut or contradicts itself; the packet was passed over."),
    Kind("capture.unknown-interface", "warning", "A pcapng packet names an interface that no block describes; the packet was passed over."),
    Kind("capture.fragment-incomplete", "warning", "IP fragments of a packet are missing; what they carried is lost."),
    Kind("capture.fragment-overlap", "warning", "IP fragments overlap; the first copy of a byte was used, as most receivers do."),
    Kind("capture.snapped", "warning", "Packets were cut by the capture's snap length; the cut bytes count as missing."),
    Kind("capture.outside-scope", "note", "Packets or files outside of the scope that was asked for (times, hosts, ports) were left out."),
    Kind("capture.decompression", "error", "The compressed file is damaged or ends early; what could be decompressed was read."),
    Kind("capture.limit", "warning", "A limit of the capture reader was reached; the detail names it."),
    Kind("capture.time-backwards", "note", "Packet times go backwards within the file (several interfaces, or a merged file)."),
    Kind("capture.local-time", "note", "The file's times are local time without a time zone; they were taken for UTC."),
    Kind("capture.relative-time", "warning", "The file does not tell when it was recorded; times count from its first packet."),
    Kind(
        "capture.dropped",
        "note",
        "Windows dropped packets in its network stack; the detail has the reason and the part of the stack, as pktmon tells.",
    ),
    Kind("capture.duplicate-packets", "note", "The same packets were captured twice (for example with `-i any`); each counts once."),
    Kind("tcp.gap", "warning", "Bytes of a stream are not in the capture; what lies around the hole was read."),
    Kind(
        "tcp.stray-syn",
        "warning",
        "A SYN in the middle of a connection was never answered, and both sides went on. Anyone can send such a packet; it was taken for none of theirs.",
    ),
    Kind("tcp.conflict", "warning", "Two segments give different bytes for the same place of a stream; the table conflicts tells which were used."),
    Kind("tcp.midstream", "note", "The connection's beginning is not in the capture."),
    Kind("tcp.one-sided", "warning", "Only one direction of the connection is in the capture."),
    Kind(
        "tcp.weird",
        "note",
        "Packets that a TCP stack does not send so, by their name in Zeek's weird.log. They may be forged, damaged, or of a device on the path.",
    ),
    Kind("tcp.out-of-window", "note", "A segment lies far outside of the stream's window and was passed over."),
    Kind("tcp.translated", "note", "The same connection was seen with other addresses: a router translated them (NAT). It counts once."),
    Kind("tcp.joined", "note", "Capture points have different packets of a connection. Its sequence numbers show that it is one, and it was put together."),
    Kind("tcp.healed", "note", "Bytes that one capture point lacks were taken from another one that saw the same connection."),
    Kind("tcp.limit", "warning", "A limit of the TCP stage was reached; the detail names it."),
    Kind(
        "http.lost-framing",
        "warning",
        "The place where the next message begins was lost (gap or malformed message); reading went on at the next start line found.",
    ),
    Kind("http.malformed-start-line", "warning", "A start line does not follow RFC 9112; the message was passed over up to the next start line."),
    Kind("http.malformed-header", "note", "A header line does not follow RFC 9112; it was read leniently."),
    Kind("http.framing-conflict", "warning", "Content-Length and Transfer-Encoding, or two Content-Lengths, contradict each other."),
    Kind("http.bad-chunk", "warning", "A chunk's size cannot be read; the rest of the body was passed over."),
    Kind("http.body-cut", "warning", "Bytes of a message's body are not in the capture."),
    Kind(
        "http.body-unsent",
        "note",
        "A message stops before its declared length, and nothing shows that its sender sent the rest before the connection or the capture ended.",
    ),
    Kind("http.head-cut", "warning", "A message's header block is not wholly in the capture."),
    Kind("http.orphan-response", "note", "A response whose request is not in the capture."),
    Kind("http.no-response", "note", "A request without a response: it was never answered, or the response was not captured."),
    Kind("http.extra-data", "warning", "Bytes after the end of a message that begin no other message."),
    Kind("http.weird", "note", "A request that clients of WinRM do not send so, by its name in Zeek's weird.log. The server may read it otherwise."),
    Kind("http.limit", "warning", "A limit of the HTTP stage was reached; the detail names it."),
    Kind(
        "tls.imitated",
        "warning",
        "A connection begins as TLS does, but the server answers in clear HTTP, and the client goes on with requests. They were read.",
    ),
    Kind("tls.opaque", "note", "The connection is TLS; its contents are not readable without keys."),
    Kind("auth.malformed-header", "warning", "An authentication header cannot be parsed."),
    Kind("auth.malformed-token", "warning", "An authentication token cannot be parsed; its scheme and size are still known."),
    Kind("auth.unknown-scheme", "note", "An authentication scheme that is not known here."),
    Kind("sealing.malformed", "warning", "A multipart/encrypted body does not follow MS-WSMV 2.2.9.1; the part that could be read was kept."),
    Kind("wsman.malformed", "note", "A clear-text SOAP envelope is malformed or not wholly captured."),
    Kind("wsman.rejected-dtd", "warning", "An XML document with a DTD was refused."),
    Kind(
        "wsman.misplaced",
        "warning",
        "An envelope has elements in a foreign namespace, or where no server looks for them; they were passed over, and the others were read.",
    ),
    Kind(
        "wsman.repeated",
        "warning",
        "An envelope has an element more than once that a server takes once. All commands in it are shown; which of them the server took is not known.",
    ),
    Kind("wsman.unreadable", "warning", "A body whose content type is SOAP's holds no envelope that can be read; what it says is not known."),
    Kind("wsman.weird", "warning", "Messages that no client or server of PowerShell sends so. They may be forged."),
    Kind("wsman.limit", "warning", "A limit of reading messages and commands was reached; the detail names it."),
    Kind("proxy.ambiguous", "note", "An exchange could belong to several exchanges of the other side; no pairing was made."),
    Kind(
        "proxy.unproved",
        "note",
        "Two requests have a MessageID, token or body in common that anyone who saw it can copy. No address, answer or encrypted body joins them, so they were "
        "not taken for two sides of a proxy.",
    ),
    Kind("proxy.healed", "note", "Bytes of an encrypted body that one side of a proxy lacks were taken from the other side, where the body is the same."),
    Kind("proxy.one-leg", "note", "The requests look proxied but the other side is not in the evidence."),
    Kind("sigma.unsupported", "warning", "A file of the Sigma folder is damaged or uses what is not supported; the detail says what. It was not run."),
    Kind(
        "sigma.other-source",
        "note",
        "Sigma rules for log sources that this capture does not show: more than processes and PowerShell only where events or operations are in it.",
    ),
    Kind("secrets.passed-over", "warning", "A file in the folder of passwords and keys holds none that is known, or could not be read."),
    Kind("secrets.limit", "warning", "Not every password, hash or key was tried on every logon; the detail names the limit."),
    Kind("sigma.limit", "warning", "Not every command was searched whole, or more was found than is kept; the detail names the limit."),
    Kind("events.unreadable", "warning", "A part of a host's log could not be read, or is no event; the detail says what. The rest of it was read."),
    Kind(
        "events.gap",
        "warning",
        "Forwarded events of a log whose record numbers are not all in this capture, though the subscription selects all of that log. They may have been sent "
        "outside of it.",
    ),
    Kind(
        "events.skipped",
        "note",
        "Record numbers of a log that no forwarded event in this capture has. The subscription may not select these events: most select some only.",
    ),
    Kind(
        "events.cut",
        "warning",
        "Record numbers of a log that may be of events in packets that this capture lacks, inside of deliveries or next to them. No gap of the source.",
    ),
    Kind(
        "names.limit", "warning", "An address has more names than are kept; the detail names the limit. Each name is a claim that someone can make in numbers."
    ),
    Kind("rule.failed", "error", "A rule stopped with an error, or was stopped; its findings are missing."),
    Kind("rule.limit", "warning", "Findings are missing: a rule found more than the limit allows, or there was no time to run it; the detail says which."),
)
KINDS: dict[str, Kind] = {kind.code: kind for kind in _KINDS}
