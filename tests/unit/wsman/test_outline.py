"""The outline of an envelope keeps all that is searched for, and leaves out what fills it."""

import pytest

from analyzer.wsman.outline import outline

LONG = "QUJD" * 5000


def test_a_long_word_is_cut_and_nothing_else() -> None:
    text = f'<s:Envelope><a>  {LONG[:3000]}</a><rsp:Stream Name="stdout">{LONG}</rsp:Stream><rsp:ExitCode> 0 </rsp:ExitCode></s:Envelope>'
    assert outline(text) == text.replace(LONG, LONG[:2100])


@pytest.mark.parametrize("content", [f"{LONG} CommandId='X'", f" {LONG}", f"{LONG}\n", f"a>{LONG}", " " * 5000 + "x", ""])
def test_what_could_be_a_field_stays(content: str) -> None:
    text = f"<a>{LONG[:4000]}</a><b>{content}</b>"
    assert outline(text) == text
