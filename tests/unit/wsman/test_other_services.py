"""SOAP is spoken by many services besides WS-Management: their envelopes are no envelopes that cannot be read."""

from pathlib import Path

import pytest

from analyzer import analyze
from tests.build.packets import Frame, pcap
from tests.hostile.costly import Talk, command, created

_ORDER = '<s:Envelope xmlns:s="{}"><s:Header/><s:Body><o:Order xmlns:o="urn:shop.example:orders"><o:Item>17</o:Item></o:Order></s:Body></s:Envelope>'
_SOAP_11, _SOAP_12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"


def _issues(folder: Path, body: str) -> set[str]:
    frames: list[Frame] = []
    talk = Talk(frames, 0)
    talk.exchange(*created())
    talk.exchange(*command("whoami"))
    talk.exchange(body.encode(), body.encode())
    (folder / "capture.pcap").write_bytes(pcap(frames))
    return set(analyze(folder / "capture.pcap").issues["code"])


@pytest.mark.parametrize("space", [_SOAP_11, _SOAP_12])
def test_an_envelope_of_another_service_is_whole(tmp_path: Path, space: str) -> None:
    assert "wsman.unreadable" not in _issues(tmp_path, _ORDER.format(space))


@pytest.mark.parametrize("body", [_ORDER.format(_SOAP_12)[:-5], _ORDER.format("urn:other"), "an order of 17 pieces"])
def test_what_is_no_envelope_cannot_be_read(tmp_path: Path, body: str) -> None:
    assert "wsman.unreadable" in _issues(tmp_path, body)
