"""The table of 4-tuples, and the arrays of flows and of rows that it points to: the packet kernel's first unit (`analyzer.capture.kernel`).

The table is exact, with open addressing; both directions of a connection have one slot. `analyzer.capture.bits` says what its
words hold. At its limit it forgets rejected flows, those first that were not met since the last time.
"""

import os
from array import array

from analyzer.capture.bits import (
    ACK,
    BEGUN,
    FLOW,
    FORCED,
    GUESSED,
    HELLO,
    HIGHER_AT,
    HTTP,
    INFO,
    KNOWN,
    KNOWN_AT,
    LATE,
    LOW,
    MASK,
    REJECTED,
    REUSED,
    ROW,
    SLOT,
    STATE,
    SYN,
    TO_THE_END,
    UNDECIDED,
    WANTED,
    WINRM_PORTS,
)
from analyzer.settings import Limits

_LATE_SYN_WINDOW = 1 << 16
_FIRST_ROWS, _LAST_ROWS, _ENDING = 8, 4096, 64
"""Packets of a connection in the next file, those here that they are compared with, and those that tell where it stands."""
_OPENING = 3
"""Packets that open a connection; its SYN may be sent again before there are more."""
_FAR = 1 << 20
"""Bytes that a segment sent again may lie behind others."""
_MIX = 0x9E3779B97F4A7C15
_MIX2 = 0xC2B2AE3D27D4EB4F
_MIX3 = 0x165667B19E3779F9


def zeros(count: int) -> "array[int]":
    """Words of 0."""
    return array("Q", bytes(8 * count))


def longer(old: "array[int]", count: int) -> "array[int]":
    """A copy with zeros behind it, ``count`` words in all."""
    longer = zeros(count)
    into = longer
    into[: len(old)] = old
    return longer


class Table:
    """Finds a packet's flow. ``force`` names flows, by the number of their first packet, to keep always."""

    def __init__(self, limits: Limits, force: frozenset[int]) -> None:
        self.limits = limits
        self.forgotten = 0
        self._force = array("Q", sorted(force))
        self._forces = len(self._force)
        self._next_force = 0
        self._slots = 1 << 10
        self._used = 0
        self._epoch = 0
        self._table = zeros(self._slots * SLOT)
        self._seed = int.from_bytes(os.urandom(8), "little")  # nobody can prepare a capture of which all flows meet in one slot
        self._wanted = 0
        self._flow_room = 1 << 8
        self._flow_count = 0
        self._flow_free = 0
        self._flow_dead = 0
        self._flows = zeros(self._flow_room * FLOW)
        self._free_flows = zeros(self._flow_room)
        self._row_room = 1 << 10
        self._row_count = 0
        self._dead_rows = 0
        self._rows = zeros(self._row_room * ROW)

    def _find(self, s0: int, s1: int, d0: int, d1: int, ports: int) -> int:
        """The place in the table of these ends' slot, or of the empty slot that is theirs to take."""
        last = self._slots - 1
        mixed = ((s0 ^ self._seed) * _MIX + (d0 ^ ports) * _MIX2 + (s1 ^ (d1 << 1 & MASK)) * _MIX3) & MASK
        mixed = ((mixed ^ mixed >> 32) * _MIX) & MASK
        slot = (mixed ^ mixed >> 29) & last
        while True:
            at = slot * SLOT
            if self._table[at + 4] == 0:
                return at
            if self._table[at] == s0 and self._table[at + 2] == d0 and self._table[at + 4] == ports and self._table[at + 1] == s1 and self._table[at + 3] == d1:
                return at
            slot = (slot + 1) & last

    def _new(self, at: int, number: int, swapped: int, seq: int, flags: int) -> int:
        """A new flow in the slot at ``at``; gives its state word: state, 8 when its first sender is the higher end, numbers known, flow."""
        if self._flow_free:
            self._flow_free -= 1
            flow = self._free_flows[self._flow_free]
        else:
            flow = self._flow_count
            self._flow_count += 1
        state = UNDECIDED
        while self._next_force < self._forces and self._force[self._next_force] < number:
            self._next_force += 1
        if self._next_force < self._forces and self._force[self._next_force] == number:
            state = HTTP
        base = flow * FLOW
        for word in range(5):
            self._flows[base + word] = self._table[at + word]
        self._flows[base + 5] = state | swapped << HIGHER_AT | (KNOWN if flags & 22 == SYN else 0)
        self._flows[base + 6] = self._flows[base + 7] = self._flows[base + 9] = self._flows[base + 10] = 0
        self._flows[base + 8] = number
        info = flow << INFO | state | swapped << HIGHER_AT
        if self._table[at + 5]:
            info |= REUSED
        if state == HTTP:
            info |= FORCED
        if flags & SYN:
            info |= KNOWN if flags & ACK else KNOWN | BEGUN
        self._table[at + 5] = info
        self._table[at + 6] = seq
        self._table[at + 7] = number << 16
        return info

    def _syn(self, at: int, info: int, number: int, swapped: int, seq: int, flags: int) -> int:
        """A SYN on a known 4-tuple: a new flow when its sequence number is another one. Gives the state word."""
        way = swapped ^ (info >> HIGHER_AT & 1)
        known = info >> (KNOWN_AT + way) & 1
        if flags & 22 == SYN:  # neither RST nor ACK
            isn = (self._table[at + 6] >> (32 * way)) & LOW
            if (known and isn != seq) or (not known and not self._late_syn(info, way, seq)):
                return self._new(at, number, swapped, seq, flags)
            return self._isn(at, info if known else info | GUESSED, way, seq)
        return info if known else self._isn(at, info, way, seq)

    def _isn(self, at: int, info: int, way: int, seq: int) -> int:
        """Notes a direction's initial sequence number."""
        info |= KNOWN << way
        self._table[at + 5] = info
        if way:
            self._table[at + 6] = (self._table[at + 6] & LOW) | seq << 32
        else:
            self._table[at + 6] = (self._table[at + 6] & ~LOW) | seq
        return info

    def _late_syn(self, info: int, way: int, seq: int) -> int:
        """1 when a SYN without a known predecessor fits just below what the flow has sent so far (packets out of order): then it belongs to the flow."""
        state = info & STATE
        if state == REJECTED or state == LATE:
            return 0
        rows = self._rows
        sent = acked = far_sent = far_acked = 0
        row = self._flows[(info >> INFO) * FLOW + 6]
        while row:
            base = (row - 1) * ROW
            if (rows[base + 3] >> 8 & 1) == way:
                sent = 1
                if (((rows[base + 2] >> 32) - seq) & LOW) > _LATE_SYN_WINDOW:
                    far_sent = 1
            elif rows[base + 3] & ACK:
                acked = 1
                if (((rows[base + 2] & LOW) - seq) & LOW) > _LATE_SYN_WINDOW:
                    far_acked = 1
            row = rows[base + 6] >> 32
        return 1 - far_sent if sent else acked & (1 - far_acked)

    def _more_slots(self) -> None:
        """Twice the slots; at the limit, rejected flows are forgotten instead: those that were not met since the last time, and all when that is too little."""
        oldest_only = 1
        if self._slots * 2 <= self.limits.flow_table_slots:
            self._rehash(self._slots * 2, 0, 0)
            return
        if self._droppable(1) * 4 < self._used:
            oldest_only = 0
        slots = self._slots if self._droppable(oldest_only) * 4 >= self._used else self._slots * 2
        self._rehash(slots, 1, oldest_only)
        self._epoch = (self._epoch + 1) & 0xFFFF

    def _is_droppable(self, at: int, oldest_only: int) -> int:
        state = self._table[at + 5] & STATE
        if state != REJECTED and state != LATE and not self._table[at + 5] & FORCED:
            return 0
        return 0 if oldest_only and self._table[at + 7] & 0xFFFF == self._epoch else 1

    def _droppable(self, oldest_only: int) -> int:
        count = 0
        for slot in range(self._slots):
            if self._table[slot * SLOT + 4] and self._is_droppable(slot * SLOT, oldest_only):
                count += 1
        return count

    def _rehash(self, slots: int, drop: int, oldest_only: int) -> None:
        old = self._table
        old_slots = self._slots
        dropped = bytearray(old_slots)
        gone = dropped
        if drop:
            for slot in range(old_slots):
                if old[slot * SLOT + 4] and self._is_droppable(slot * SLOT, oldest_only):
                    gone[slot] = 1
                    self.forgotten += 1
        self._table = zeros(slots * SLOT)
        self._slots = slots
        self._used = 0
        for slot in range(old_slots):
            base = slot * SLOT
            if old[base + 4] and not gone[slot]:
                at = self._find(old[base], old[base + 1], old[base + 2], old[base + 3], old[base + 4])
                for word in range(SLOT):
                    self._table[at + word] = old[base + word]
                self._used += 1

    def _on_winrm_port(self, flow: int) -> int:
        ports = self._flows[flow * FLOW + 4]
        return 1 if (ports & 0xFFFF) in WINRM_PORTS or (ports >> 16 & 0xFFFF) in WINRM_PORTS else 0

    def _first_packet(self, flow: int) -> int:
        return self._flows[flow * FLOW + 8]

    def addresses(self) -> list[tuple[tuple[int, int, int, int, int], int, int, int]]:
        """((addresses and ports as in the table), state, number of the first packet, payloads before a verdict) of every connection in the table."""
        found = []
        table = self._table
        for slot in range(self._slots):
            base = slot * SLOT
            if table[base + 4]:
                ends = (table[base], table[base + 1], table[base + 2], table[base + 3], table[base + 4])
                state = table[base + 5] & STATE
                payloads = self._flows[(table[base + 5] >> INFO) * FLOW + 5] >> 8 if state == UNDECIDED else 0
                found.append((ends, state, table[base + 7] >> 16, payloads))
        return found

    def rejected_at(self, hosts: frozenset[tuple[int, int]], ports: tuple[int, ...]) -> list[int]:
        """First packets of rejected flows that a SYN began to one of these addresses (as two words of the table; none: to any) and ports."""
        found = []
        table = self._table
        for slot in range(self._slots):
            base = slot * SLOT
            info = table[base + 5]
            if not table[base + 4] or info & STATE != REJECTED or not info & BEGUN:
                continue
            end = base if info >> HIGHER_AT & 1 else base + 2  # the one that did not send the SYN
            port = table[base + 4] >> 16 & 0xFFFF if info >> HIGHER_AT & 1 else table[base + 4] & 0xFFFF
            if port in ports and (not hosts or (table[end], table[end + 1]) in hosts):
                found.append(table[base + 7] >> 16)
        return found

    def hellos(self) -> list[tuple[int, tuple[int, int], int, bool]]:
        """Rejected flows that begin with a hello of TLS: (first packet, address of the server as two words, its port, whether that is an IPv4 address)."""
        found = []
        table = self._table
        for slot in range(self._slots):
            base = slot * SLOT
            info = table[base + 5]
            if table[base + 4] and info & STATE == REJECTED and info & HELLO:
                end = base if info >> HIGHER_AT & 1 else base + 2  # the one that did not send the first packet
                port = table[base + 4] >> 16 & 0xFFFF if info >> HIGHER_AT & 1 else table[base + 4] & 0xFFFF
                found.append((table[base + 7] >> 16, (table[end], table[end + 1]), port, bool(table[base + 4] >> 32 & 1)))
        return found

    def meeting(self, later: "Table") -> list[tuple[int, int]]:
        """The slots of 4-tuples that both kernels met: (slot here, slot there)."""
        found = []
        there = later._table  # noqa: SLF001  one of us
        for slot in range(later._slots):  # noqa: SLF001  one of us
            base = slot * SLOT
            if there[base + 4]:
                at = self._find(there[base], there[base + 1], there[base + 2], there[base + 3], there[base + 4])
                if self._table[at + 4]:
                    found.append((at, base))
        return found

    def slot(self, at: int) -> tuple[int, int, int, int, int, int]:
        """(state, state word, initial sequence number of the first sender, of the other, number of the first packet, flow) of a slot."""
        info = self._table[at + 5]
        return info & STATE, info, self._table[at + 6] & LOW, self._table[at + 6] >> 32, self._table[at + 7] >> 16, info >> INFO

    def payloads(self, flow: int) -> int:
        """How many payloads of a flow came before its verdict."""
        return self._flows[flow * FLOW + 5] >> 8

    def want(self, at: int, to_the_end: int) -> None:
        """`goes_on` will look at this slot's flow: until it has its verdict, or, when that is to keep it, to the end."""
        self._table[at + 5] |= WANTED | TO_THE_END if to_the_end else WANTED
        self._wanted += 1

    # What two captures have in common (see analyzer.capture.points)

    def in_common(self, later: "Table", loosely: bool = False) -> tuple[int, int]:  # noqa: FBT001, FBT002  the compiler knows no keywords
        """Of the first packets of each connection that ``later`` kept: how many belong to connections that have rows here, too, and how many of these are here
        already, equal in all numbers: one packet, captured twice. ``loosely``: with bytes also where identification and checksum differ, which what stands
        between two capture points may write anew."""
        known = 0
        copies = 0
        for at, there in self.meeting(later):
            info = self._table[at + 5]
            state = info & STATE
            if state == REJECTED or state == LATE:
                continue
            later_info = later._table[there + 5]  # noqa: SLF001  one of us
            first = later.first_rows(later_info >> INFO, later_info >> HIGHER_AT & 1)
            if later_info & BEGUN:
                isn = later._table[there + 6] & LOW  # noqa: SLF001  one of us
                way = (info >> HIGHER_AT & 1) ^ (later_info >> HIGHER_AT & 1)
                own_isn = (self._table[at + 6] >> (32 * way)) & LOW if info >> (KNOWN_AT + way) & 1 else isn
                flow = (info >> INFO) * FLOW
                answered = info >> (KNOWN_AT + 1 - way) & 1 or self._flows[flow + 5] >> 8  # else all that is here is one SYN, sent again and again
                if own_isn == isn and answered and self._flows[flow + 7] > _OPENING:  # it shows how a connection began that is in its middle here
                    known += len(first) // 4
                    copies += len(first) // 4
                    continue
                if own_isn != isn:  # another use of the ports
                    continue
            known += len(first) // 4
            copies += self._copies(info >> INFO, info >> HIGHER_AT & 1, first, loosely)
        return known, copies

    def first_rows(self, flow: int, flipped: int) -> "array[int]":
        """The first packets of a flow, four words each, by what a packet has wherever it is captured: flags and 1 for the lower end's, sequence and
        acknowledgement numbers, size, identification and checksum."""
        rows = self._rows
        found = zeros(4 * _FIRST_ROWS)
        into = found
        count = self._flows[flow * FLOW + 7]
        row = self._flows[flow * FLOW + 6]
        while row:
            count -= 1
            base = (row - 1) * ROW
            if count < _FIRST_ROWS:
                into[4 * count] = (rows[base + 3] & 255) << 1 | (rows[base + 3] >> 8 & 1) ^ flipped
                into[4 * count + 1] = rows[base + 2]
                into[4 * count + 2] = rows[base + 4] & LOW
                into[4 * count + 3] = rows[base + 6] & LOW
            row = rows[base + 6] >> 32
        count = self._flows[flow * FLOW + 7]
        return found[: 4 * count] if count < _FIRST_ROWS else found

    def last_rows(self, flow: int, flipped: int) -> "array[int]":
        """The last packets of a flow, the latest first, as `first_rows` gives the first ones."""
        rows = self._rows
        found = zeros(4 * _ENDING)
        into = found
        count = 0
        row = self._flows[flow * FLOW + 6]
        while row and count < _ENDING:
            base = (row - 1) * ROW
            into[4 * count] = (rows[base + 3] & 255) << 1 | (rows[base + 3] >> 8 & 1) ^ flipped
            into[4 * count + 1] = rows[base + 2]
            into[4 * count + 2] = rows[base + 4] & LOW
            into[4 * count + 3] = rows[base + 6] & LOW
            count += 1
            row = rows[base + 6] >> 32
        return found[: 4 * count]

    def _copies(self, flow: int, flipped: int, first: "array[int]", loosely: bool) -> int:  # noqa: FBT001  as above
        """How many of these packets are among the last rows of the flow; those that lie far before all of them are taken for copies, too."""
        rows = self._rows
        words = first
        copies = 0
        for one in range(0, len(first), 4):
            if words[one + 2] == 0 and words[one + 3] >> 16 == 0 and not words[one] & SYN << 1:
                continue  # without bytes and identification, two packets are easily alike
            way = words[one] & 1
            left = _LAST_ROWS
            near = 0
            row = self._flows[flow * FLOW + 6]
            while row and left:
                base = (row - 1) * ROW
                if ((rows[base + 3] >> 8 & 1) ^ flipped) == way:
                    alike = rows[base + 2] == words[one + 1] and (rows[base + 4] & LOW) == words[one + 2]
                    if alike and ((rows[base + 6] & LOW) == words[one + 3] or (loosely and words[one + 2] != 0)):
                        break
                    if (((words[one + 1] >> 32) - (rows[base + 2] >> 32) + _FAR) & LOW) < LOW >> 1:
                        near = 1
                row = rows[base + 6] >> 32
                left -= 1
            if (row and left) or (not left and not near):
                copies += 1
        return copies
