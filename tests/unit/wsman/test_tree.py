"""Trees of texts that damage ends."""

import pytest

from analyzer.wsman.tree import tree


@pytest.mark.parametrize("rest", ["", "<", "</d>", "\x01", "<!DOCTYPE x>"])
def test_a_text_that_damage_cuts_is_left_out(rest: str) -> None:
    found = tree(f"<a><b>one</b><c>10.20.2.1{rest}")
    assert not found.whole
    assert found.root.at("a", "b").text == "one"
    assert not found.root.at("a", "c").text


def test_an_element_that_is_whole_keeps_its_text() -> None:
    assert tree("<a><c>10.20.2.1</c></a>").root.at("a", "c").text == "10.20.2.1"
