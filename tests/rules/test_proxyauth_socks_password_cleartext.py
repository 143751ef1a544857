from analyzer.records.finding import Severity
from tests.build.talk_prefaces import socks5
from tests.build.talk_proxy import ALICE, PROXY, ask_sealed, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names

RULE = "proxyauth.socks-password-cleartext"
WORD = "Autumn-2026"


def test_a_password_is_readable() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    asked, _ = socks5(talk, user="alice", password=WORD)
    trip(talk, ask_sealed(1), sealed_reply(1))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.owner, finding.user) == (Severity.HIGH, "client", "alice")
    assert names(finding, asked - 2)
    assert "accepted it" in finding.why
    assert WORD not in repr(finding)


def test_without_a_password() -> None:
    lan = Wire()
    for port, user in ((50001, ""), (50002, "alice")):
        talk = lan.connect(ALICE, port, PROXY, 1080)
        socks5(talk, user=user)
        trip(talk, ask_sealed(port), sealed_reply(port))
    assert judge(lan).found(RULE) == []


def test_between_programs_of_one_host() -> None:
    lan = Wire()
    talk = lan.connect("127.0.0.1", 50001, "127.0.0.1", 1080)
    socks5(talk, user="alice", password=WORD)
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []
