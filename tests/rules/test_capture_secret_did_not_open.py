from pathlib import Path

from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.records.finding import Severity
from analyzer.settings import Limits, Scope
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, names, packets

RULE = "capture.secret-did-not-open"


def session() -> Wire:
    """A live handshake, and bodies that no secret opens, since they were never sealed."""
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    return lan


def judged_with(folder: Path, password: str) -> Judged:
    secrets = folder / "secrets.toml"
    secrets.write_text(f'[[password]]\nuser = "alice"\ndomain = "LAB"\nvalue = "{password}"\n', encoding="utf-8")
    done = run([str(session().capture(folder / "wire.pcap"))], Limits(), Scope(), secrets=load(str(secrets)))
    done.sources.close()
    return Judged(done.result.evidence, done.result.findings)


def test_a_secret_proves_right_and_opens_nothing(tmp_path: Path) -> None:
    finding = judged_with(tmp_path, "Passw0rd").one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1]
    assert finding.connections == ("c1",)
    assert names(finding, 1)
    assert "2 encrypted messages of 10.10.1.11 to 10.20.2.20:5985 could not be decrypted with" in finding.why


def test_a_wrong_password(tmp_path: Path) -> None:
    why = judged_with(tmp_path, "not this one").one(RULE).why
    assert "2 encrypted messages of 10.10.1.11 to 10.20.2.20:5985 could not be decrypted: wrong password or key for" in why


def test_without_a_secret_nothing_is_said() -> None:
    assert judge(session()).found(RULE) == []
