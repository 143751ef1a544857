import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply, sealed
from tests.build.talk_tls import TLS12, TLS13, Paper, Version, client, exchange, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, names
from tests.rules.tlsing import PAPER, https

RULE = "tls.certificate"


def used(own: Paper, *, name: str | None = "srv01.lab.example", version: Version = TLS12) -> tuple[Judged, int]:
    lan = Wire()
    talk = https(lan)
    done = shake(talk, client(version, checks=False), server(own, version), name=name)
    exchange(talk, done, post(content=sealed()).wire(), reply(200, content=sealed()).wire())
    return judge(lan), done.answered[0]


def test_an_expired_certificate_that_the_client_takes() -> None:
    judged, packet = used(paper(days=(-800, -100)))
    finding = judged.one(RULE)
    assert judged.rules == {RULE}
    assert (finding.severity, finding.owner) == (Severity.LOW, "server")
    assert finding.title == "Certificate of 10.20.2.20:5986 expired on 2025-09-24"
    assert names(finding, packet)


def test_one_that_is_not_valid_yet() -> None:
    judged, _ = used(paper(days=(1, 100)))
    assert "is not valid before 2026-01-03" in judged.one(RULE).title


@pytest.mark.parametrize(
    ("alternative", "name", "fits"),
    [
        ("srv01.lab.example", "SRV01.lab.example", True),
        ("*.lab.example", "srv01.lab.example", True),
        ("*.lab.example", "a.srv01.lab.example", False),
        ("other.lab.example", "srv01.lab.example", False),
        (None, "srv01.lab.example", True),
        ("other.lab.example", None, True),
    ],
)
def test_names(alternative: str | None, name: str | None, fits: bool) -> None:  # noqa: FBT001
    judged, _ = used(paper(alternative=alternative), name=name)
    assert [finding.severity for finding in judged.found(RULE)] == ([] if fits else [Severity.INFO])


def test_a_healthy_certificate_and_one_that_cannot_be_seen() -> None:
    assert used(PAPER)[0].findings == ()
    assert used(paper(days=(-800, -100)), version=TLS13)[0].findings == ()
