"""Reasons of dropped packets as the Windows SDK numbers them (PKTMON_DROP_REASON): the first and the last of each run, written here once more."""

import pytest

from analyzer.capture import drop_reasons

KNOWN = {
    0: "Unspecified",
    38: "LowPower",
    201: "Pause",
    223: "CoalescingError",
    225: "VlanSpoofing",
    228: "SteeringMismatch",
    401: "MicroportError",
    404: "VMBusError",
    601: "FL_LoopbackPacket",
    701: "ArpGuard",
    901: "NL_BadSourceAddress",
}


@pytest.mark.parametrize("code", KNOWN)
def test_a_number_has_its_name(code: int) -> None:
    assert drop_reasons.REASONS[code] == KNOWN[code]
