import base64

import pytest
from msgspec.structs import replace

from analyzer.records.auth import CredsspFacts
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.catalogue import rules
from tests.build.talk_http import offer, post
from tests.build.talk_proxy import direct, handshake, trip
from tests.build.talk_tokens import Shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import live_tokens

RULE = "auth.credssp-refused"


def credssp(*last: bytes) -> Shake:
    """A live CredSSP handshake; its server's last tokens are these."""
    tokens = live_tokens("credssp")
    client, server = tokens[0::2], tokens[1::2]
    answers = (*server, *([b""] * (len(client) - len(server))))
    return Shake("CredSSP", client, (*answers[: len(answers) - len(last)], *last))


def alert(description: int) -> bytes:
    return bytes([21, 3, 3, 0, 2, 2, description])


def with_facts(evidence: Evidence, facts: CredsspFacts) -> list[Finding]:
    """What the rule says when a key log shows this."""
    (rule,) = (rule for rule in rules() if rule.id == RULE)
    return list(rule.find(replace(evidence, conversations=tuple(replace(one, credssp=facts) for one in evidence.conversations))))


def test_an_alert_of_the_inner_tls() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer("CredSSP"))
    token = live_tokens("credssp")[0]
    asked = post("/wsman", ("Authorization", f"CredSSP {base64.b64encode(token).decode()}"))
    hello = trip(talk, asked, offer(f"CredSSP {base64.b64encode(alert(70)).decode()}"))

    finding = judge(lan).one(RULE)

    assert finding.title == "CredSSP logon failed: TLS alert protocol_version of the server"
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [*hello]
    assert names(finding, hello.answered)
    assert "The server ended the inner TLS with the alert protocol_version." in finding.why


def test_refused_inside_of_tls() -> None:
    lan = Wire()
    handshake(direct(lan), credssp(), last=offer("CredSSP", "Negotiate"))
    judged = judge(lan)
    finding = judged.one(RULE)
    assert finding.title == "CredSSP logon refused, with the reason inside its TLS"
    assert finding.confidence == 0.6
    assert "cannot be told without a key log" in finding.why
    assert "auth.credentials-refused" not in judged.rules


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (CredsspFacts(6, 6, 0xC000006D), "errorCode is 0xC000006D, STATUS_LOGON_FAILURE"),
        (CredsspFacts(2, 6, 0xC0000022), "The client lacks the update for CVE-2018-0886"),
        (CredsspFacts(6, 4, 0x8009035E), "SEC_E_DELEGATION_POLICY"),
        (CredsspFacts(3, 2, 0xC0009999), "The client and the server lack the update"),
    ],
)
def test_what_a_key_log_shows(facts: CredsspFacts, says: str) -> None:
    lan = Wire()
    handshake(direct(lan), credssp(), last=offer("CredSSP", "Negotiate"))
    (finding,) = with_facts(judge(lan).evidence, facts)
    assert says in finding.why
    assert finding.confidence == 0.9
    assert "cannot be told" not in finding.why


def test_a_logon_that_is_accepted() -> None:
    lan = Wire()
    handshake(direct(lan), credssp())
    assert judge(lan).found(RULE) == []
