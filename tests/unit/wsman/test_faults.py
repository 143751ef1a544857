"""The texts of faults, from all that servers send and from what no one should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.sealing import Fault
from analyzer.wsman.faults import fault
from tests.build.talk_faults import fault as response

MOST = 100


def read(text: str) -> Fault:
    return fault(text, 0, MOST)


def test_a_fault_as_windows_sends_it() -> None:
    text = response(2150859173, "Too &lt;many&gt;\n  shells.", subcode="w:QuotaLimit").body.decode()
    found = fault(text, text.index("<s:Fault"), MOST)
    assert found == Fault("QuotaLimit", "Too <many> shells.", "Too <many> shells.", "srv01.lab.example")
    assert found.text == "Too <many> shells."


def test_a_plug_in_s_own_fault() -> None:
    found = read(response(2150858883, "Deep inside.", inner=5).body.decode())
    assert (found.message, found.provider, found.inner_code) == ("Deep inside.", "WMI Provider", "5")


def test_a_plug_in_s_text_without_a_code() -> None:
    found = read('<f:WSManFault Code="1"><f:Message><f:ProviderFault provider="p">Only words</f:ProviderFault></f:Message></f:WSManFault>')
    assert (found.message, found.inner_code, found.provider) == ("Only words", None, "p")


def test_a_wmi_error_says_what_its_description_says() -> None:
    wmi = "<p:__ExtendedStatus><p:Description>Invalid class</p:Description><p:Operation>Get</p:Operation></p:__ExtendedStatus>"
    found = read(f'<WSManFault Code="1"><Message><ProviderFault><ExtendedError>{wmi}</ExtendedError></ProviderFault></Message></WSManFault>')
    assert found.message == "Invalid class"


def test_a_fault_of_another_product() -> None:
    found = read(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>wsman:AccessDenied</s:Value></s:Subcode></s:Code><s:Reason>"
        "<s:Text>No.</s:Text></s:Reason><s:Detail><wsman:FaultDetail>http://x/y</wsman:FaultDetail></s:Detail></s:Fault>"
    )
    assert found == Fault("AccessDenied", "No.", detail="http://x/y")


def test_long_texts_are_cut() -> None:
    found = read(response(5, "x" * 500).body.decode())
    assert found.text is not None
    assert (len(found.text), found.text[-1]) == (MOST, "…")


@pytest.mark.parametrize("text", ["<s:Fault>", "<s:Fault/>", "<s:Fault><s:Reason><s:Text/></s:Reason></s:Fault>", ""])
def test_nothing_in_it(text: str) -> None:
    assert read(text) == Fault()


_ELEMENTS = (
    "<s:Fault>",
    "<Message>",
    "</Message>",
    '<WSManFault Code="5" Machine="m">',
    "<ProviderFault provider='p'>",
)
_PIECES = st.sampled_from((*_ELEMENTS, "text", "&amp;", "<", ">"))


@given(st.lists(_PIECES, max_size=60))
def test_no_text_raises(pieces: list[str]) -> None:
    found = read("".join(pieces))
    assert all(text is None or len(text) <= MOST for text in (found.reason, found.message, found.machine))
