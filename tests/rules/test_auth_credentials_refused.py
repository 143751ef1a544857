from pathlib import Path

import pytest

from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.records.finding import Finding, Severity
from analyzer.settings import Limits, Scope
from tests.build.talk_http import ABSOLUTE, WSMAN, offer, post, reply, sealed, soap
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, trip
from tests.build.talk_tokens import Shake, basic, kerberos, ntlm, spnego_ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.credentials-refused"


def test_a_whole_handshake_on_one_connection_is_refused() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), ntlm(), last=offer())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.9, "client")
    assert finding.title == "Server refuses the credentials of LAB\\alice"
    assert packets(finding)[-2:] == [*last]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x2", "c1.x3")
    assert finding.user == "LAB\\alice"
    assert names(finding, last.answered)
    assert "refused 1 logon of 10.10.1.11 as LAB\\alice (NTLM) with 401" in finding.why


def test_through_a_proxy_that_kept_it_together() -> None:
    lan = Wire()
    *_, last = proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.9
    assert {*last.near, *last.far} <= set(packets(finding))
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x2", "c1.x3", "c2.x2", "c2.x3")


def test_with_the_clients_leg_alone_a_split_handshake_cannot_be_excluded() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    finding = judge(lan, hosts=CLIENT_LEG).one(RULE)
    assert finding.confidence == 0.5
    assert "Either the credentials are wrong, or the gateway does this." in finding.why
    assert finding.title == "Logon of LAB\\alice refused: credentials or gateway"
    assert "proxy_http_version 1.1" in " ".join(setting.text for setting in finding.settings)


def test_with_the_upstream_leg_alone_it_is_plain() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    assert judge(lan, hosts=UPSTREAM_LEG).one(RULE).confidence == 0.9


def test_kerberos_and_basic_are_refused_as_well() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, kerberos().credentials(0)), offer())
    trip(direct(lan, BOB, 50002), post(WSMAN, basic("bob"), content=soap()), offer('Basic realm="WSMAN"'))
    assert [(finding.source, finding.user) for finding in judge(lan).found(RULE)] == [("10.10.1.12", "bob")]
    assert "auth.ticket-refused" in judge(lan).rules


def test_a_handshake_that_succeeds() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_an_error_other_than_401_says_nothing_about_the_credentials() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=reply(503))
    assert judge(lan).found(RULE) == []


def test_a_split_handshake_fails_with_the_right_password_too() -> None:
    lan = Wire()
    first, second = far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near_leg(lan), (first, first, second), ntlm(), last=offer())
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_handshake_whose_way_upstream_is_known_in_part_only() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    trip(near, post(ABSOLUTE, shake.credentials(1)), offer())
    assert judge(lan).found(RULE) == []


def test_another_clients_request_in_the_middle_of_the_handshake() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    proxied(near_leg(lan, BOB, 50002), far, post(ABSOLUTE, content=sealed(9)), offer())
    proxied(near, far, post(ABSOLUTE, shake.credentials(1)), offer())
    assert judge(lan).found(RULE) == []


def test_clear_text_is_refused_for_another_reason() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), content=soap(), last=offer())
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "auth.unencrypted-refused" in judged.rules


def test_a_server_that_serves_clear_text_to_others_may_have_been_set_otherwise_before() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), content=soap(), last=offer())
    handshake(direct(lan, BOB, 50002), ntlm("bob"), content=soap(number=2), last=reply(200, content=soap("CreateResponse", 3)))
    assert judge(lan).found(RULE) == []


def test_the_proxys_refusal_is_another_matter() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE, basic(header="Proxy-Authorization")), reply(407, ("Proxy-Authenticate", 'Basic realm="proxy"')))
    assert judge(lan).found(RULE) == []


def test_a_handshake_that_was_not_finished() -> None:
    lan = Wire()
    shake = ntlm()
    trip(direct(lan), post(WSMAN, shake.credentials(0)), shake.challenge())
    assert judge(lan).found(RULE) == []


def test_a_first_message_that_is_refused_names_nobody() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, ntlm().credentials(0)), offer())
    assert judge(lan).found(RULE) == []


def test_a_capture_that_begins_after_the_challenge() -> None:
    lan = Wire()
    _, _, last = handshake(direct(lan), ntlm(), last=offer())
    assert judge(lan, first=last.asked).found(RULE) == []


def judged_with(lan: Wire, folder: Path, user: str, password: str) -> Finding:
    secrets = folder / "secrets.toml"
    secrets.write_text(f"[[password]]\nuser = '{user}'\nvalue = '{password}'\n", encoding="utf-8")
    done = run([str(lan.capture(folder / "wire.pcap"))], Limits(), Scope(), secrets=load(str(secrets)))
    done.sources.close()
    (found,) = (one for one in done.result.findings if one.rule == RULE)
    assert password not in f"{found.why} {found.advice}"
    return found


@pytest.mark.parametrize("shake", [ntlm(), spnego_ntlm()])
def test_the_password_given_is_the_one_that_the_client_used(shake: Shake, tmp_path: Path) -> None:
    lan = Wire()
    handshake(direct(lan), shake, last=offer())
    finding = judged_with(lan, tmp_path, "alice", "Passw0rd")
    assert "The password or key that was given fits once: the password is right, so the server refused for another reason." in finding.why
    assert finding.title == "Logon of LAB\\alice refused although the password fits"
    assert finding.advice.startswith("The password is right, so look at the account")


def test_the_client_used_another_password(tmp_path: Path) -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=offer())
    finding = judged_with(lan, tmp_path, "alice", "Spring-Rain-2031")
    assert "The password or key that was given does not fit once: the client used another password." in finding.why
    assert finding.advice.startswith("The client used another password")


def test_a_secret_of_somebody_else_says_nothing(tmp_path: Path) -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=offer())
    finding = judged_with(lan, tmp_path, "bob", "Winter-Rain-2031")
    assert "that was given" not in finding.why
    assert finding.advice.startswith("Check the user name, domain and password")


def test_a_password_is_proved_whoever_it_is_said_to_be_of(tmp_path: Path) -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), last=offer())
    assert "The password or key that was given fits once" in judged_with(lan, tmp_path, "bob", "Passw0rd").why


def test_some_answers_fit_and_others_do_not(tmp_path: Path) -> None:
    lan = Wire()
    for port, password in ((50001, "Passw0rd"), (50002, "other")):
        trip(direct(lan, port=port), post(WSMAN, basic("alice", password), content=soap()), offer('Basic realm="WSMAN"'))
    finding = judged_with(lan, tmp_path, "alice", "Passw0rd")
    assert "The password or key that was given fits once" in finding.why
    assert "does not fit once" in finding.why
    assert finding.advice.startswith("Check the user name, domain and password")


def test_basic_with_a_domain_before_the_name(tmp_path: Path) -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic("LAB\\alice"), content=soap()), offer('Basic realm="WSMAN"'))
    assert "The password or key that was given fits once" in judged_with(lan, tmp_path, "alice", "Passw0rd").why


def test_a_gateway_answers_and_the_password_is_right(tmp_path: Path) -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("[[password]]\nuser = 'alice'\nvalue = 'Passw0rd'\n", encoding="utf-8")
    done = run([str(lan.capture(tmp_path / "near.pcap", hosts=CLIENT_LEG))], Limits(), Scope(), secrets=load(str(secrets)))
    done.sources.close()
    (finding,) = (one for one in done.result.findings if one.rule == RULE)
    assert (finding.title, finding.confidence, finding.owner) == ("Logon of LAB\\alice fails behind a gateway", 0.7, "proxy")
    assert "That is the likeliest cause." in finding.why
