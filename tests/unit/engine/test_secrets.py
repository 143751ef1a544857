"""Secrets are read from TOML, keytabs and key logs; what is wrong with them is said without showing any."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.engine.secrets.load import load
from analyzer.engine.secrets.tls import keylog
from analyzer.errors import AnalyzerError, UsageError
from analyzer.records.secrets import Secret, TlsSecret

HIDDEN = "Geheim-4711-value"
HEX = "0123456789abcdef0123456789abcdef"


def written(folder: Path, text: str) -> str:
    path = folder / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_everything_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "http.keytab").write_bytes(_keytab(("LAB.EXAMPLE", "HTTP", "srv01"), 18, b"k" * 32))
    (tmp_path / "tls.keys").write_text(f"# comment\nCLIENT_RANDOM {'ab' * 32} {'cd' * 48}\n", encoding="ascii")
    found = load(
        written(
            tmp_path,
            f'[[password]]\nuser = "alice"\ndomain = "LAB"\nvalue = "{HIDDEN}"\n[[nt_hash]]\nuser = "bob"\nvalue = "{HEX}"\n[[session_key]]\nvalue = "{HEX}"\n'
            f'[[kerberos_key]]\netype = 17\nvalue = "0x{HEX}"\n[files]\nkeytabs = ["http.keytab"]\nkeylogs = ["tls.keys"]\n',
        )
    )
    assert [(one.tag, one.user, one.domain) for one in found.ntlm] == [("password:LAB\\alice", "alice", "LAB"), ("nt_hash:bob", "bob", None)]
    assert found.ntlm[1].nt_hash == bytes.fromhex(HEX)
    assert [one.value for one in found.session_keys] == [bytes.fromhex(HEX)]
    assert [(one.etype, one.principal) for one in found.kerberos] == [(17, None), (18, "HTTP/srv01@LAB.EXAMPLE")]
    assert found.tls == (TlsSecret("CLIENT_RANDOM", b"\xab" * 32, Secret(b"\xcd" * 48), "keylog:tls.keys"),)
    assert HIDDEN not in repr(found)
    assert HEX not in repr(found)
    assert "\\xcd" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        f'[[password]]\nuser = "a"\nvalue = "{HIDDEN}',
        f'[[password]]\nvalue = "{HIDDEN}"',
        f'[[password]]\nuser = 5\nvalue = "{HIDDEN}"',
        f'[[password]]\nuser = "a"\nvalue = ["{HIDDEN}"]',
        f'[password]\nuser = "a"\nvalue = "{HIDDEN}"',
        f'password = "{HIDDEN}"',
        f'password = ["{HIDDEN}"]',
        f'[[passwords]]\nuser = "a"\nvalue = "{HIDDEN}"',
        f'[[nt_hash]]\nuser = "a"\nvalue = "{HIDDEN}"',
        f'[[nt_hash]]\nuser = "a"\nvalue = "{HEX}00"',
        f'[[session_key]]\nvalue = "{HEX[:-2]}"',
        f'[[kerberos_key]]\netype = 18\nvalue = "{HEX}"',
        f'[[kerberos_key]]\netype = 3\nvalue = "{HEX}"',
        f'[[kerberos_key]]\netype = "18"\nvalue = "{HEX}"',
        '[files]\nkeytabs = "one"',
        "files = 3",
        "[files]\nkeytabs = ['missing']",
        "\ufeff",
    ],
)
def test_a_mistake_is_told_without_the_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(AnalyzerError) as told:
        load(written(tmp_path, text))
    shown = f"{told.value} {told.value!r} {told.value.__cause__!r} {told.value.__context__ if not told.value.__suppress_context__ else ''}"
    assert HIDDEN not in shown
    assert HEX[:-2] not in shown
    assert str(told.value)


def _keytab(principal: tuple[str, ...], etype: int, key: bytes, *, hole: int = 0) -> bytes:
    texts = b"".join(struct.pack(">H", len(text)) + text.encode() for text in principal)
    entry = struct.pack(">H", len(principal) - 1) + texts + struct.pack(">IIBHH", 1, 0, 3, etype, len(key)) + key + struct.pack(">I", 7)
    return b"\x05\x02" + (struct.pack(">i", -hole) + bytes(hole) if hole else b"") + struct.pack(">i", len(entry)) + entry


@pytest.mark.parametrize("hole", [0, 33])
def test_keytabs(tmp_path: Path, hole: int) -> None:
    path = tmp_path / "x.keytab"
    path.write_bytes(_keytab(("R", "HTTP", "h"), 17, b"k" * 16, hole=hole))
    (found,) = load(None, keytabs=[str(path)]).kerberos
    assert (found.tag, found.kvno, found.value) == ("keytab:x.keytab:HTTP/h@R:17", 7, b"k" * 16)
    path.write_bytes(b"\x05\x01")
    with pytest.raises(UsageError, match="not a keytab"):
        load(None, keytabs=[str(path)])


@given(st.binary(max_size=80))
def test_a_damaged_keytab_is_said(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "x.keytab"
    path.write_bytes(b"\x05\x02" + rest)
    try:
        found = load(None, keytabs=[str(path)]).kerberos
    except UsageError as error:
        assert "damaged" in str(error)  # noqa: PT017  either is right
    else:
        assert len(found) <= len(rest)


@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from([b"CLIENT_RANDOM ", b"ab" * 32, b" ", b"zz", b"a", b"\n", b"RSA "])).map(b"".join)))
def test_any_key_log_is_read(data: bytes) -> None:
    assert {secret.label for secret in keylog(data)} <= {"CLIENT_RANDOM", "RSA"}
