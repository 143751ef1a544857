"""Addresses with their names: each by whom, none in place of an address, and a forged answer shown beside what others say."""

from analyzer.records.ids import key_number
from analyzer.records.names import Host, Naming
from analyzer.records.result import Result
from analyzer.reports.naming import hosts_told, name_of, named
from analyzer.tables.hosts import HOSTS, NAMES
from tests.build.naming import address, dns, nbns
from tests.build.talk_http import offer, post, reply
from tests.build.talk_kdc import KDC, ask_kdc, tgs_rep, tgs_req
from tests.build.talk_proxy import ALICE, PROXY, PROXY_FAR, SERVER, direct, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge

NAME_SERVER, ROGUE = "10.10.1.53", "10.20.2.66"
POINTER = b"\xc0\x0c"


def answered(lan: Wire, by: str, port: int, message: bytes) -> int:
    return lan.datagram((by, port), (ALICE, 50999), message)


def host(judged: Judged, address_: str) -> Host:
    return next(one for one in judged.evidence.story.hosts if one.address == address_)


def test_each_name_says_where_it_comes_from() -> None:
    lan = Wire()
    told = answered(lan, NAME_SERVER, 53, dns("srv01.lab.example", address(POINTER, SERVER)))
    trip(direct(lan), post(), offer())
    judged = judge(lan)
    server = host(judged, SERVER)
    assert [(one.name, one.source, one.said_by, one.elsewhere) for one in server.names] == [
        ("srv01.lab.example", Naming.DNS, (NAME_SERVER,), ()),
        ("srv01.lab.example", Naming.HOST, (ALICE,), ()),
    ]
    assert [key_number(key) for key in server.names[0].packets] == [told]
    assert server.roles == ("server",)
    assert host(judged, ALICE).roles == ("client",)


def test_a_forged_answer_stands_beside_the_address_it_gives_and_says_so() -> None:
    lan = Wire()
    answered(lan, NAME_SERVER, 53, dns("srv01.lab.example", address(POINTER, SERVER)))
    answered(lan, ROGUE, 5355, dns("srv01", address(POINTER, ROGUE)))
    talk = lan.connect(ALICE, 50001, ROGUE, 5985)
    trip(talk, post().without("Host").plus(("Host", ROGUE)), offer())
    judged = judge(lan)
    [forged] = host(judged, ROGUE).names
    assert (forged.name, forged.source, forged.said_by, forged.elsewhere) == ("srv01", Naming.LLMNR, (ROGUE,), (SERVER,))
    assert named(judged.evidence, ROGUE) == f"{ROGUE} (srv01, by LLMNR, also {SERVER}'s)"
    assert SERVER not in {one.address for one in judged.evidence.story.hosts}, "nobody talks WinRM with it"


def test_names_by_anyone_come_last() -> None:
    lan = Wire()
    answered(lan, SERVER, 137, nbns("NETBIOS", SERVER))
    talk = direct(lan)
    shake = ntlm()
    trip(talk, post("/wsman", shake.credentials(0)), shake.challenge())
    trip(talk, post("/wsman", shake.credentials(1)), reply(200))
    sources = [one.source for one in host(judge(lan), SERVER).names]
    assert (sources[0], sources[-1]) == (Naming.NTLM, Naming.NBNS)


def test_the_host_field_of_a_request_to_a_proxy_is_not_the_proxys_name() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post("http://srv01:5985/wsman"), offer())
    judged = judge(lan)
    roles = {one.address: one.roles for one in judged.evidence.story.hosts}
    assert roles == {
        ALICE: ("client",),
        PROXY: ("proxy",),
        PROXY_FAR: ("proxy",),
        SERVER: ("server",),
    }
    assert host(judged, PROXY).names == ()
    assert host(judged, SERVER).names[0].source is Naming.HOST


def test_a_kdc_is_a_host() -> None:
    lan = Wire()
    answered(lan, NAME_SERVER, 53, dns("dc01.lab.example", address(POINTER, KDC)))
    trip(direct(lan), post(), offer())
    ask_kdc(lan, tgs_req("HTTP/srv01"), tgs_rep("alice", "HTTP/srv01"))
    kdc = host(judge(lan), KDC)
    assert (kdc.roles, [one.name for one in kdc.names]) == (("kdc",), ["dc01.lab.example"])


def test_names_of_others_are_none_of_our_business() -> None:
    lan = Wire()
    answered(lan, NAME_SERVER, 53, dns("other.lab.example", address(POINTER, "10.99.0.1")))
    trip(direct(lan), post(), offer())
    judged = judge(lan)
    assert judged.evidence.names == ()
    assert "other" not in hosts_told(judged.evidence)


def test_the_address_always_stands() -> None:
    lan = Wire()
    answered(lan, SERVER, 137, nbns("EVIL\x1b[2J", SERVER))
    trip(direct(lan), post(), offer())
    evidence = judge(lan).evidence
    assert named(evidence, SERVER).startswith(f"{SERVER} (")
    assert "\x1b" not in hosts_told(evidence)
    assert named(evidence, "10.1.2.3") == "10.1.2.3"
    assert name_of(evidence, ALICE) == ""


def test_the_tables_have_both() -> None:
    lan = Wire()
    answered(lan, ROGUE, 5355, dns("srv01", address(POINTER, SERVER)))
    answered(lan, ROGUE, 5355, dns("srv01", address(POINTER, SERVER)))
    trip(direct(lan), post(), offer())
    result = Result(judge(lan).evidence, (), {})
    rows = [dict(zip(NAMES.names, row, strict=True)) for row in NAMES.values(result)]
    llmnr = next(row for row in rows if row["source"] == "LLMNR")
    assert (llmnr["address"], llmnr["said_by"], llmnr["by_anyone"], llmnr["times"], llmnr["packets"]) == (SERVER, ROGUE, True, 2, "1..2")
    [server] = [row for row in (dict(zip(HOSTS.names, row, strict=True)) for row in HOSTS.values(result)) if row["address"] == SERVER]
    assert "srv01 (LLMNR)" in str(server["names"])
    assert server["roles"] == "server"
