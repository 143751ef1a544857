"""Addresses as text."""

import ipaddress
import random

from analyzer.capture.point import host_of


def test_an_address_is_written_as_the_standard_library_writes_it() -> None:
    dice = random.Random(1)
    for size in (4, 16):
        own = [bytes(size), bytes([255]) * size, *(bytes(dice.choices((0, 1, 9, 10, 127, 255), k=size)) for _ in range(300))]
        for _ in range(2):
            assert [host_of(address) for address in own] == [str(ipaddress.ip_address(address)) for address in own]
