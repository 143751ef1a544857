"""What the words of the packet kernel hold: sizes, states, bits and codes, by name. The kernel's units and `analyzer.capture.halves` read the same ones.

The kernel keeps what it knows in arrays of 64-bit words.

- A **slot** of the table of 4-tuples: both addresses (four words, the lower end first), ports and family, state word, initial
  sequence numbers (the first sender's in the lower half), number of the first packet and the epoch in which it was last met.
- A **flow** with rows: addresses and ports as in its slot, state with the payloads before the verdict, last row, count of
  rows, number of the first packet, prefixes and their sizes (the first sender's in the lower half).
- A **row**: window and packet number, time, sequence and acknowledgement numbers, flow with window scale, TTL and flags,
  sizes (captured and sent), place, identification and checksum with the flow's row before.
"""

from analyzer.records.capture import Verdict

SLOT, FLOW, ROW, REEL = 8, 11, 7, 6
"""Words of a slot, of a flow, of a row, and of a packet that was reeled."""

UNDECIDED, HTTP, TLS, REJECTED, KDC, LATE = range(6)
"""States of a flow; late is one that was rejected and then showed WinRM."""
FREE = 7
"""The state of a flow's place that waits for another flow."""
VERDICTS = (Verdict.UNDECIDED, Verdict.HTTP, Verdict.TLS, Verdict.REJECTED, Verdict.KDC)
"""What a state is in the records."""

STATE = 7
"""The bits of a state word (of a slot, of a flow) that hold the state."""
HIGHER, HIGHER_AT = 8, 3
"""The first sender is the higher end; and the bit's place."""
KNOWN, KNOWN_OTHER, KNOWN_AT = 16, 32, 4
"""The initial sequence number of the first sender is known, and that of the other; and the first bit's place."""
FORCED = 64
"""Kept by force, and as easily forgotten as in the first reading."""
HELLO = 64
"""The same bit, of a rejected flow: it begins with a hello of TLS."""
REUSED = 128
"""On a 4-tuple that was used before."""
BEGUN = 256
"""A SYN began it."""
GUESSED = 512
"""A SYN without a known predecessor came."""
WANTED, TO_THE_END = 1024, 2048
"""One half's kernel looks for it in the other half: until it has its verdict, or to the end (`Kernel.goes_on`)."""
NOTED = 1024
"""The same bit, where packets are reeled: of a rejected flow, a packet was left out."""
INFO = 12
"""From this bit of a slot's state word on stands its flow."""
DEAD = 0xFFFFFFFF
"""In the place of a direction's prefix: none is kept any more."""

SPOOLED = 512
"""In a row's word of flags: its payload is not in the file as it is."""

DONE, SLOW, DATAGRAM, UNKNOWN, ICMP, NAMING = 0, 1, 2, 4, 8, 16
"""What is left to do outside of the kernel for a packet."""
FIN, SYN, RST, ACK = 1, 2, 4, 16
"""Flags of TCP (RFC 9293 section 3.1)."""

MASK = 0xFFFFFFFFFFFFFFFF
LOW = 0xFFFFFFFF
"""The lower half of a word."""
NUMBER = 0xFFFFFFFFFFFF
"""The packet number in a row's first word."""
NS = 1_000_000_000
LATEST_NS = (1 << 63) - 1
EARLIEST_NS = -LATEST_NS
WINRM_PORTS = (5985, 5986, 47001)
Bytes = bytes | bytearray
