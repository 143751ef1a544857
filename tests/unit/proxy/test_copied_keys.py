"""A key that anyone can copy invents no proxy: each scene has a healthy twin, in which the same key is on both sides of a real one."""

import pytest

from tests.build.talk_http import ABSOLUTE, IDENTIFY, SOAP, WSMAN, Ask, Content, post, reply, soap
from tests.build.talk_proxy import BOB, PROXY, SERVER, direct, forwarded, near_leg, trip
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Talk, Wire
from tests.hostile.costly import command
from tests.rules.judging import judge

OTHER_SERVER = "10.30.3.30"


def leg(lan: Wire) -> Talk:
    """A proxy with one address goes on to the server."""
    return lan.connect(PROXY, 40001, SERVER, 5985)


def copied(content: Content) -> Content:
    """Another body under the same MessageID."""
    return content._replace(body=content.body.replace(b"<s:Body>", b"<s:Body>another"))


def other(lan: Wire) -> Talk:
    """A host that has nothing to do with the first connection, with a server that has not either."""
    return lan.connect(BOB, 50002, OTHER_SERVER, 5985)


def winrs(text: str) -> Ask:
    """A command, under the MessageID of all of them."""
    body = command(text)[0].decode().replace("<s:Header>", "<s:Header><a:MessageID>uuid:00000007-0000-4000-8000-000000000000</a:MessageID>")
    return post(WSMAN, content=Content(SOAP, body.encode()))


def elsewhere(asked: Ask) -> Ask:
    """The request as it goes to that server."""
    return asked.without("Host").plus(("Host", "srv77.lab.example:5985"))


CHOSEN = [
    ("MessageID", post(ABSOLUTE, content=soap()), post(WSMAN, content=copied(soap()))),
    ("Kerberos token", post(ABSOLUTE, kerberos().credentials(0)), post(WSMAN, kerberos().credentials(0))),
    ("NTLM token", post(ABSOLUTE, ntlm().credentials(1)), post(WSMAN, ntlm().credentials(1))),
    ("Basic credential", post(ABSOLUTE, basic()), post(WSMAN, basic())),
    ("Via", post(ABSOLUTE), post(WSMAN).plus(("Via", "1.1 proxy"), ("X-Forwarded-For", "10.10.1.11"))),
    ("Identify", post(ABSOLUTE, content=IDENTIFY), post(WSMAN, content=IDENTIFY)),
]


@pytest.mark.parametrize(("asked", "copy"), [case[1:] for case in CHOSEN], ids=[case[0] for case in CHOSEN])
def test_a_copied_key_between_unrelated_hosts_is_no_proxy(asked: Ask, copy: Ask) -> None:
    lan = Wire()
    near, far = direct(lan), other(lan)
    near.send(asked._replace(target=WSMAN))
    trip(far, elsewhere(copy), reply(500))
    near.answer(reply(500))
    evidence = judge(lan).evidence
    assert evidence.hops == ()
    assert evidence.routes == ()


@pytest.mark.parametrize("asked", [case[1] for case in CHOSEN if case[0] not in {"MessageID", "Via"}])
def test_the_same_key_on_both_sides_of_a_proxy_is_one_exchange(asked: Ask) -> None:
    lan = Wire()
    near, far = near_leg(lan), leg(lan)
    near.send(asked)
    trip(far, forwarded(asked), reply(500))
    near.answer(reply(500))
    (hop,) = judge(lan).evidence.hops
    assert (hop.near, hop.far) == ("c1.x1", "c2.x1")
    assert "addresses" in hop.bases
    assert hop.confidence < 1


def test_what_was_not_joined_is_said() -> None:
    lan = Wire()
    near, far = direct(lan), other(lan)
    near.send(post(content=soap()))
    trip(far, elsewhere(post(content=copied(soap()))), reply(500))
    near.answer(reply(500))
    judged = judge(lan)
    assert judged.evidence.hops == ()
    (issue,) = [issue for issue in judged.evidence.issues if issue.code == "proxy.unproved"]
    assert (issue.record, issue.detail) == ("c2.x1", "the same MessageID as c1.x1")


def test_two_bodies_under_one_message_id_are_two_messages() -> None:
    """Whether or not a proxy stands between them: what each host was told is shown."""
    shown = []
    for far in (leg, other):
        lan = Wire()
        talks = near_leg(lan) if far is leg else direct(lan), far(lan)
        talks[0].send(winrs("whoami"))
        trip(talks[1], winrs("hostname"), reply(200))
        talks[0].answer(reply(200))
        shown.append(sorted(found.text for found in judge(lan).evidence.commands))
    assert shown == [["hostname", "whoami"], ["hostname", "whoami"]]


def test_a_server_and_a_client_of_a_proxy_are_no_proxy_between_others() -> None:
    """Who goes to the server directly, and asks what a client asks the proxy meanwhile, has not that client behind it."""
    lan = Wire()
    near, far = near_leg(lan), leg(lan)
    near.send(post(ABSOLUTE, content=soap()))
    trip(far, forwarded(post(ABSOLUTE, content=soap())), reply(500))
    near.answer(reply(500))
    bob = direct(lan, BOB, 50002)
    bob.send(post(WSMAN, content=IDENTIFY))
    trip(near_leg(lan, port=50003), elsewhere(post(WSMAN, content=IDENTIFY)), reply(500))
    bob.answer(reply(500))
    assert [(hop.near, hop.far) for hop in judge(lan).evidence.hops] == [("c1.x1", "c2.x1")]
