from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, offer, post, reply, soap
from tests.build.talk_proxy import direct, trip
from tests.build.talk_tokens import kerberos
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.ticket-refused"


def test_a_ticket_is_answered_by_a_bare_401() -> None:
    lan = Wire()
    first = trip(direct(lan), post(WSMAN, kerberos().credentials(0)), offer())
    trip(direct(lan, port=50002), post(WSMAN, kerberos(2).credentials(0)), offer())

    judged = judge(lan)
    finding = judged.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.85, "server")
    assert finding.title.startswith("Server cannot use the ticket for HTTP/")
    assert packets(finding)[:2] == [*first]
    assert names(finding, first.answered)
    assert "twice with 401 and without a Kerberos error" in finding.why
    assert "No password plays a part" in finding.why
    assert "auth.credentials-refused" not in judged.rules


def test_with_a_readable_body_both_causes_are_named() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, kerberos().credentials(0), content=soap()), offer())
    finding = judge(lan).one(RULE)
    assert (finding.title, finding.confidence, finding.owner) == ("Server refuses unencrypted requests, or the Kerberos ticket", 0.7, "client")


def test_a_ticket_that_is_taken() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, kerberos().credentials(0)), reply(200))
    assert judge(lan).found(RULE) == []
