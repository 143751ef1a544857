"""A reader of XML is gone when it has read: none is left to a search for circles, which a long run makes seldom."""

import gc
from collections.abc import Callable

import pytest

from analyzer.wsman import invoke, properties, structure, tree

ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
    "<s:Header><a:Action>one</a:Action><a:Action>two</a:Action></s:Header><s:Body><p:Run_INPUT xmlns:p='urn:p'><p:Line>x</p:Line></p:Run_INPUT></s:Body>"
)


@pytest.mark.parametrize("text", [f"{ENVELOPE}</s:Envelope>", ENVELOPE, f"{ENVELOPE}</wrong>", f"<!DOCTYPE a>{ENVELOPE}</s:Envelope>"])
@pytest.mark.parametrize(
    "read",
    [
        structure.seen,
        tree.tree,
        lambda text: properties._Reading().read(text),
        lambda text: list(invoke._values(text, "_input")),
    ],
)
def test_no_reader_is_left(read: Callable[[str], object], text: str) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            read(text)
        assert not [one for one in gc.get_objects() if type(one).__name__ == "_Reading"]
    finally:
        gc.enable()
