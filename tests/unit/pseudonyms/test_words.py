"""Words, addresses and the permutation below them."""

import ipaddress
import random

import pytest

from analyzer.pseudonyms.addresses import Addresses
from analyzer.pseudonyms.permutation import Permutation
from analyzer.pseudonyms.words import Words

KEY = bytes(range(32))


@pytest.mark.parametrize("size", [1, 2, 3, 10, 26, 90, 155, 676, 4097])
def test_a_permutation_has_one_cycle_and_leads_back(size: int) -> None:
    made = Permutation(KEY, "label", size)
    images = [made.image(one) for one in range(size)]
    assert sorted(images) == list(range(size))
    assert [made.origin(one) for one in images] == list(range(size))
    at, seen = 0, 0
    while True:
        at, seen = images[at], seen + 1
        if at == 0:
            break
    assert seen == size


@pytest.mark.parametrize("bits", [1, 127, 128, 129, 226, 400, 816])
def test_numbers_of_any_width_are_mixed_as_a_whole(bits: int) -> None:
    number = (1 << bits) * 2 // 3
    first, second = Permutation(KEY, "wide", 1 << bits), Permutation(bytes(32), "wide", 1 << bits)
    assert first.origin(first.image(number)) == number
    if bits > 64:
        assert len({one >> bits - 24 for one in (number, first.image(number), second.image(number))}) == 3


def test_what_is_forbidden_is_no_image_and_the_rest_stays_a_permutation() -> None:
    made, forbidden = Permutation(KEY, "label", 676), set(range(0, 676, 3))
    images = [made.image(one, forbidden.__contains__) for one in range(676) if one not in forbidden]
    assert not forbidden & set(images)
    assert len(set(images)) == len(images)
    assert all(made.origin(made.image(one, forbidden.__contains__), forbidden.__contains__) == one for one in range(1, 60, 3))


def test_keys_and_labels_give_other_permutations() -> None:
    first = [Permutation(KEY, "a", 1000).image(one) for one in range(20)]
    assert first != [Permutation(KEY, "b", 1000).image(one) for one in range(20)]
    assert first != [Permutation(bytes(32), "a", 1000).image(one) for one in range(20)]


@pytest.mark.parametrize("word", ["alice", "ALICE", "Alice", "srv01", "bob", "müller", "MÜLLER", "Ångström", "田中", "Иван", "x" * 1000, "aB3dE6", "İx", "ǅ"])
def test_a_pseudonym_is_as_long_and_of_the_same_kind(word: str) -> None:
    pairs: dict[str, str] = {}
    made = Words(KEY, set().__contains__, pairs).image(word)
    assert made != word
    assert [len(sign.encode()) for sign in made] == [len(sign.encode()) for sign in word]
    assert len(made.encode("utf-16-le")) == len(word.encode("utf-16-le"))
    assert [sign.isdigit() for sign in made] == [sign.isdigit() for sign in word]
    if word.isascii():
        assert [sign.isupper() for sign in made] == [sign.isupper() for sign in word]
    assert made == Words(KEY, set().__contains__, {}).image(word)


@pytest.mark.parametrize(
    "word", ["fileserverofthedepartmentforaccounting", "x" * 48, "müllerfileserverofthedepartmentforaccounting", "田" * 48, "\U00020000" * 48]
)
def test_of_a_long_word_nothing_stays(word: str) -> None:
    made = [Words(key, set().__contains__, {}).image(word)[:4] for key in (KEY, bytes(32))]
    assert len({word[:4], *made}) == 3


def test_no_two_words_get_one_pseudonym_and_none_that_stays() -> None:
    taken = {"the", "net", "dir", "cmd"}
    words = Words(KEY, taken.__contains__, {})
    given = {f"{a}{b}{c}" for a in "abcdefgh" for b in "aeiou" for c in "dnrst"} - taken
    made = {words.image(one) for one in given}
    assert len(made) == len(given)
    assert not made & taken


def test_one_case_of_a_word_is_the_other_of_its_pseudonym() -> None:
    words = Words(KEY, set().__contains__, {})
    assert words.image("WKS01").lower() == words.image("wks01")


def _kind(one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[bool, ...]:
    return one.is_loopback, one.is_multicast, one.is_link_local, one.is_unspecified


def test_addresses_keep_kind_length_and_networks() -> None:
    addresses, draw = Addresses(KEY, {}), random.Random(7)
    seen: dict[bytes, bytes] = {}
    for _ in range(5000):
        data = draw.randbytes(4)
        made = addresses.packed(data)
        old, new = ipaddress.ip_address(data), ipaddress.ip_address(made)
        assert isinstance(old, ipaddress.IPv4Address)
        assert isinstance(new, ipaddress.IPv4Address)
        assert (*_kind(old), old.is_private) == (*_kind(new), new.is_private)
        assert len(str(old)) == len(str(new)) == len(addresses.text(str(old)))
        assert seen.setdefault(made, data) == data, "two addresses have one pseudonym"
        for other, image in list(seen.items())[-20:]:
            shared = next((place for place in range(4) if image[place] != data[place]), 4)
            assert next((place for place in range(4) if other[place] != made[place]), 4) >= shared if shared else True


def test_an_address_of_a_private_network_becomes_another() -> None:
    addresses = Addresses(KEY, {})
    for third in range(256):
        for network in ("10.{0}.1.7", "192.168.{0}.7", "172.20.{0}.7"):
            one = network.format(third)
            if not one.endswith((".0.7", ".255.7")) and not one.startswith(("10.0.", "10.255.")):
                assert addresses.text(one) != one


@pytest.mark.parametrize(
    "text", ["fd00::1", "FD00:0:0:1::aB", "2001:db8::1", "fe80::1:2:3:4", "::ffff:10.10.1.1", "2a00:1450::5", "1:2:3:4:5:6:7:8", "fd00:1:2:3:4:5:6::", "::2:3"]
)
def test_an_ipv6_address_keeps_the_way_it_is_written(text: str) -> None:
    addresses = Addresses(KEY, {})
    made = addresses.text(text)
    assert made != text
    assert len(made) == len(text)
    assert ipaddress.ip_address(made).packed == addresses.packed(ipaddress.ip_address(text).packed)
    assert _kind(ipaddress.ip_address(made)) == _kind(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1", "255.255.255.255", "224.0.0.251", "::", "::1", "ff02::fb", "not an address", "10.0.0.999"])
def test_what_names_no_host_stays(text: str) -> None:
    assert Addresses(KEY, {}).text(text) == text


def test_hardware_addresses() -> None:
    addresses = Addresses(KEY, {})
    one = bytes.fromhex("005056010203")
    made = addresses.hardware(one)
    assert made != one
    assert made[0] & 3 == one[0] & 3
    assert addresses.hardware(bytes.fromhex("ffffffffffff")) == b"\xff" * 6
    assert addresses.hardware(bytes.fromhex("01005e0000fb")) == bytes.fromhex("01005e0000fb")
