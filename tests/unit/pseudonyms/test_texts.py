"""Texts, tokens, heads and bodies with pseudonyms."""

import base64
import datetime as dt
import json
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from analyzer.pseudonyms.blanks import Blanks
from analyzer.pseudonyms.bodies import body, head, packed
from analyzer.pseudonyms.certificates import certificate
from analyzer.pseudonyms.datagrams import datagram
from analyzer.pseudonyms.handshakes import tls
from analyzer.pseudonyms.texts import Texts
from analyzer.pseudonyms.tokens import der, ntlm, token

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def texts() -> Texts:
    made = Texts(KEY, {}, {})
    for name in ("LAB\\alice", "srv01.lab.example", "server.zorbas.example", "test", "svc_backup$"):
        made.learn(name)
    return made


def test_names_in_sentences(texts: Texts) -> None:
    made = texts.known("alice logged on to srv01.lab.example (10.10.1.1) as LAB\\alice; the server server.zorbas.example was asked. Svc_Backup$ too.")
    for word in ("alice", "srv01", "lab.", "LAB", "10.10.1.1", "zorbas.", "svc", "Svc"):
        assert word not in made
    assert "the server " in made
    assert " logged on to " in made
    assert made.count(texts.name("alice")) == 2


def test_a_name_that_is_a_word_of_sentences_stays_alone_in_sentences_but_not_as_a_name(texts: Texts) -> None:
    assert texts.known("the test of a server") == "the test of a server"
    assert texts.name("server.zorbas.example").split(".")[0] != "server"


@pytest.mark.parametrize("name", ["Administrator", "NT AUTHORITY\\SYSTEM", "krbtgt", "localhost", "HTTP"])
def test_names_that_every_network_has_stay(name: str, texts: Texts) -> None:
    assert texts.name(name) == name


def test_ports_times_and_versions_stay(texts: Texts) -> None:
    assert texts.name("srv01.lab.example:5985").endswith(":5985")
    for one in ("2026-11-24T10:27:13.667Z", "12:34:56", "Mozilla/5.0 Chrome/10.1.1.1", "9B2F3C4D-0000-1111-2222-333344445555"):
        assert texts.known(one) == one


def test_lines_keep_what_is_public(texts: Texts) -> None:
    made = texts.line("Get-Content C:\\Users\\mallory\\salaries-2026.xlsx | Select-String 'Zorbas'; net user trudy Zq9!kk /add")
    for word in ("mallory", "salaries", "Zorbas", "trudy", "Zq9"):
        assert word not in made
    for word in ("Get-Content C:\\Users\\", "| Select-String", "net user ", "/add"):
        assert word in made


def test_what_is_encoded_in_a_line_is_replaced_inside(texts: Texts) -> None:
    script = base64.b64encode("net user mallory /add".encode("utf-16-le")).decode()
    made = texts.line(f"powershell -EncodedCommand {script}")
    told = base64.b64decode(made.rsplit(" ", 1)[1]).decode("utf-16-le")
    assert told.startswith("net user ")
    assert told.endswith(" /add")
    assert "mallory" not in told
    assert len(made) == len(f"powershell -EncodedCommand {script}")


@pytest.mark.parametrize("one", ["2020-08-06T15:56:23.759Z", "2020-08-06 11:56:22", "0x2bc327", "port 55853", "8A03D666-385A-A2CA-1849-70CA55FA3CFE"])
def test_times_ports_and_identifiers_stay_in_lines(one: str, texts: Texts) -> None:
    assert texts.line(one) == one
    assert texts.other(f"/wsman/subscriptions/{one}") == f"/wsman/subscriptions/{one}"


def test_json_stays_json(texts: Texts) -> None:
    assert texts.line('{"CommandLine": "cmd /c type C:\\\\nina\\\\plan.txt"}').startswith('{"CommandLine": "cmd /c type C:\\\\')
    assert "nina" not in texts.line('{"CommandLine": "cmd /c type C:\\\\nina\\\\plan.txt"}')


def _ntlm(user: str, domain: str, host: str, *, wide: bool = True) -> bytes:
    coding = "utf-16-le" if wide else "latin-1"
    parts = [b"\1" * 24, b"\2" * 24, domain.encode(coding), user.encode(coding), host.encode(coding), b""]
    fields, at, data = b"", 64, b""
    for part in parts:
        fields += struct.pack("<HHI", len(part), len(part), at)
        at, data = at + len(part), data + part
    return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", 1 if wide else 2) + data


@pytest.mark.parametrize("wide", [True, False])
def test_an_ntlm_message(texts: Texts, *, wide: bool) -> None:
    data = _ntlm("alice", "LAB", "WKS77", wide=wide)
    made = ntlm(data, texts)
    assert len(made) == len(data)
    assert made[:64] == data[:64]
    coding = "utf-16-le" if wide else "latin-1"
    for name in ("alice", "LAB", "WKS77"):
        assert name.encode(coding) not in made
        assert texts.name(name).encode(coding) in made
    for end in range(len(data)):
        assert len(ntlm(data[:end], texts)) == end


def test_strings_of_der(texts: Texts) -> None:
    realm, name = b"\x1b\x0bLAB.EXAMPLE", b"\x1b\x05alice"
    inner = b"\x30" + bytes([len(name)]) + name
    data = b"\x6e" + bytes([len(realm) + len(inner) + 4]) + realm + inner + b"\x02\x02\x30\x1b"
    made = token(data, texts)
    assert made is not None
    assert len(made) == len(data)
    assert b"LAB" not in made
    assert b"alice" not in made
    assert made.endswith(b"\x02\x02\x30\x1b")


def _certificate(kind: str) -> tuple[bytes, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srv01.lab.example"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Zorbas Ltd")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=30))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("srv01.lab.example")]), critical=False)
    one = made.sign(key, hashes.SHA256())
    from cryptography.hazmat.primitives.serialization import Encoding

    return one.public_bytes(Encoding.DER), one


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_certificate(kind: str, texts: Texts) -> None:
    data, old = _certificate(kind)
    made = certificate(data, texts)
    assert len(made) == len(data)
    new = x509.load_der_x509_certificate(made)
    new.verify_directly_issued_by(new)
    assert new.serial_number != old.serial_number
    assert new.public_key() != old.public_key()
    wanted = texts.name("srv01.lab.example")
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [wanted]
    assert b"srv01" not in made
    assert b"Zorbas" not in made
    assert new.not_valid_after_utc == old.not_valid_after_utc


def test_heads(texts: Texts) -> None:
    basic = base64.b64encode(b"alice:P4ssw0rd!").decode()
    data = (
        "POST http://srv01.lab.example:5985/wsman HTTP/1.1\r\nHost: srv01.lab.example:5985\r\n"
        f"Authorization: Basic {basic}\r\nUser-Agent: Microsoft WinRM Client\r\n"
        "X-Forwarded-For: 10.10.1.11\r\nVia: 1.1 gateway7 (squid/5.7)\r\nX-Custom: Zorbas\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    blanks = Blanks()
    made = head(data, texts, blanks)
    assert len(made) == len(data)
    assert not blanks.counts
    for word in (b"alice", b"srv01", b"10.10.1.11", b"gateway7", b"Zorbas", basic.encode()):
        assert word not in made
    for word in (b"/wsman HTTP/1.1\r\n", b":5985\r\n", b"Microsoft WinRM Client", b"squid/5.7", b"Content-Length: 0"):
        assert word in made
    given = base64.b64decode(made.split(b"Basic ")[1].split(b"\r\n")[0])
    assert given == texts.name("alice").encode() + b":xxxxxxxxx"


def test_bodies(texts: Texts) -> None:
    command = base64.b64encode(b"C:\\Users\\mallory> dir").decode()
    data = (
        f'<s:Envelope xmlns:s="x"><s:Body><rsp:Command>type C:\\mallory.txt</rsp:Command><rsp:Stream Name="stdout">{command}</rsp:Stream></s:Body></s:Envelope>'
    )
    for coding in ("utf-8", "utf-16-le"):
        blanks = Blanks()
        made = body(data.encode(coding), texts, blanks)
        assert len(made) == len(data.encode(coding))
        told = made.decode(coding)
        assert "mallory" not in told
        assert told.startswith('<s:Envelope xmlns:s="x"><s:Body><rsp:Command>type C:\\')
        assert b"mallory" not in base64.b64decode(told.split('Name="stdout">')[1].split("<")[0])
        assert not blanks.counts
    blanks = Blanks()
    assert body(b"\x1f\x8b\x08" + bytes(range(100)), texts, blanks) == bytes(103)
    assert blanks.counts


@pytest.mark.parametrize("end", ["]]></rsp:Command>", "]]>", "]", ""])
def test_cdata_and_comments_are_text(end: str, texts: Texts) -> None:
    script = base64.b64encode("net user mallory /add".encode("utf-16-le")).decode()
    data = f"<s:Envelope><rsp:Command><!-- by mallory --><![CDATA[type <mallory> C:\\mallory.txt -enc {script}{end}"
    made = body(data.encode(), texts, Blanks()).decode()
    assert len(made) == len(data)
    assert "mallory" not in made
    assert script not in made
    assert "<![CDATA[type <" in made


def test_the_servers_own_sentences_stay(texts: Texts) -> None:
    data = '<s:Envelope><s:Fault><s:Text xml:lang="en-US">The shell of alice was not found on srv01.lab.example.</s:Text></s:Fault></s:Envelope>'
    made = body(data.encode(), texts, Blanks()).decode()
    assert "The shell of " in made
    assert " was not found on " in made
    assert "alice" not in made
    assert "srv01" not in made


def test_fragments_of_one_object_are_read_as_one(texts: Texts) -> None:
    message = bytes(40) + b'\xef\xbb\xbf<Obj RefId="0"><S N="Cmd">Get-Content mallory.txt</S></Obj>'
    cut = message.index(b"mallory") + 3
    pieces = [(0, 1, message[:cut]), (1, 2, message[cut:])]
    data = b"".join(struct.pack(">QQBI", 7, number, flags, len(piece)) + piece for number, flags, piece in pieces)
    made = base64.b64decode(packed(base64.b64encode(data).decode(), texts, Blanks()))
    assert len(made) == len(data)
    whole = made[21 : 21 + cut] + made[21 + cut + 21 :]
    assert b"mal" not in made
    assert b'<Obj RefId="0"><S N="Cmd">Get-Content ' in whole
    assert texts.line("mallory").encode() in whole


def test_a_client_hello(texts: Texts) -> None:
    name = b"srv01.lab.example"
    extension = struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    hello = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + struct.pack(">H", len(extension)) + extension
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    record = b"\x16\x03\x01" + struct.pack(">H", len(message)) + message
    made = tls(record + b"\x17\x03\x03\0\x05lab!!", texts, Blanks())
    assert len(made) == len(record) + 10
    assert name not in made
    assert texts.name(name.decode()).encode() in made
    assert made.endswith(b"lab!!"), "what is encrypted stays"


def test_dns(texts: Texts) -> None:
    name = b"\x05srv01\x03lab\x07example\0"
    data = (
        struct.pack(">6H", 1, 0x8180, 1, 1, 0, 0) + name + struct.pack(">HH", 1, 1) + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([10, 20, 2, 20])
    )
    made = datagram(data, (53, 5000), texts, Blanks())
    assert len(made) == len(data)
    assert b"srv01" not in made
    assert bytes([10, 20, 2, 20]) not in made
    assert made.endswith(texts.addresses.packed(bytes([10, 20, 2, 20])))
    blanks = Blanks()
    assert datagram(b"something else", (514, 514), texts, blanks) == bytes(14)
    assert blanks.counts


def test_a_page_in_iso_8859_1_is_replaced_or_blanked(texts: Texts) -> None:
    data = "<html><body>Der Server f\u00fcr M\u00fcller-L\u00fcdenscheidt ist nicht verf\u00fcgbar: G\u00fcnther, 502</body></html>".encode("latin-1")
    blanks = Blanks()
    made = body(data, texts, blanks)
    assert len(made) == len(data)
    assert b"denscheidt" not in made
    assert bool(blanks.counts) == (made == bytes(len(data)))


@pytest.mark.parametrize("told", ['["\\ud800 mallory"]', '{"a": "mallory\\udfff\\udfff"}', '["mallory", "\\ud800"]'])
def test_half_a_sign_in_json_stops_nothing(told: str, texts: Texts) -> None:
    for coding in ("utf-8", "utf-16-le"):
        made = base64.b64decode(packed(base64.b64encode(told.encode(coding)).decode(), texts, Blanks()))
        assert len(made) == len(told.encode(coding))
        inner = base64.b64encode(told.encode(coding)).decode()
        assert inner not in body(f"<s:Envelope><rsp:Command>echo '{inner}'</rsp:Command>".encode(), texts, Blanks()).decode()


@pytest.mark.parametrize("cut", range(1, 15))
def test_dns_that_is_cut_is_blanked(cut: int, texts: Texts) -> None:
    for kind, content in ((1, bytes([10, 20, 2, 20])), (28, bytes(range(16))), (16, b"\x05srv01"), (41, b"\0\x08\0\x04abcd")):
        data = struct.pack(">6H", 1, 0x8180, 0, 1, 0, 0) + b"\x03lab\0" + struct.pack(">HHIH", kind, 1, 60, len(content)) + content
        blanks = Blanks()
        assert datagram(data[:-cut], (53, 5000), texts, blanks) == bytes(len(data) - cut)
        assert blanks.counts


@pytest.mark.parametrize(
    "value",
    [
        "0a140214",
        "00110022003300440055006677ab00cd",
        "0a140200ffffff00",
        "0a140214c0a80107",
        "fd000011002200330044005500660077" + "ff" * 8 + "00" * 8,
        "0a14021400",
        "",
    ],
)
def test_addresses_in_certificates(value: str, texts: Texts) -> None:
    data = bytes.fromhex(value)
    names = bytes((0x87, len(data))) + data
    made = der(bytes((0x30, len(names))) + names, texts, certificate=True)
    assert len(made) == len(names) + 2
    half = data if len(data) in (4, 16) else data[: len(data) // 2]
    wanted = texts.addresses.packed(half) if len(half) in (4, 16) else bytes(len(half))
    assert made[4:].startswith(wanted)
    mask = data[len(half) :]
    assert made[4 + len(half) :] == (mask if mask[:1] == b"\xff" else bytes(len(mask)))


@pytest.mark.parametrize("told", ["[" * 500 + "]" * 500, "[" * 100000, '{"a":' * 600 + '"mallory"' + "}" * 600])
def test_deep_json_is_a_text(told: str, texts: Texts) -> None:
    made = texts.line(told)
    assert len(made) >= len(told)
    assert "mallory" not in made


def test_names_in_keys_of_json_are_replaced(texts: Texts) -> None:
    made = json.loads(texts.line('{"alice": {"10.10.1.1": 1, "LAB\\\\alice": "x"}, "changed": true, "size": [1, 2.5, null]}'))
    name = texts.name("alice")
    assert list(made) == [name, "changed", "size"]
    assert list(made[name]) == [texts.name("10.10.1.1"), texts.name("LAB\\alice")]
    assert made["size"] == [1, 2.5, None]


def test_half_a_sign_in_a_line_can_be_written(texts: Texts) -> None:
    assert texts.line('["\\ud800"]').encode() == b'["\\ud800"]'


@pytest.mark.parametrize(
    "one", ["PT60S", "PT60.000S", "P0DT0H3M0.000S", "P10675199DT2H48M5.4775807S", "PT7200.000S", "PT1H", "P1Y2M3D", "P2W", "PT2147483.647S"]
)
def test_durations_stay(one: str, texts: Texts) -> None:
    assert texts.line(f"wait {one}.") == f"wait {one}."
    assert texts.other(f"<x>{one}</x>") == f"<x>{one}</x>"


@pytest.mark.parametrize("one", ["P1234567", "P20441", "PT1000-MTD", "P1234567D", "PT60", "P5M-12", "PT12345H6"])
def test_numbers_of_people_are_no_durations(one: str, texts: Texts) -> None:
    for made in (texts.line(f"type {one}"), texts.name(f"type {one}")[-len(one) - 1 :]):
        assert len(made) >= len(one)
        assert not made.endswith(one)


def test_entities_stay_and_names_between_their_signs_do_not(texts: Texts) -> None:
    for one in ("&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#233;", "&#xE9;"):
        assert texts.line(f"dir{one}dir") == f"dir{one}dir"
    for one in ("mallory", "Zorbas", "trudy99"):
        assert one not in texts.line(f"echo x&{one};")
