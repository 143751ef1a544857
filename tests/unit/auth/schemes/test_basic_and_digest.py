"""Who Basic and Digest credentials name, and what they must not show."""

import pytest

from analyzer.auth.schemes import basic, digest
from analyzer.records.quality import Absent


@pytest.mark.parametrize(
    ("raw", "user"),
    [
        (b"alice:secret", "alice"),
        (b"alice:sec:ret", "alice"),
        (b"LAB\\alice smith:x", "LAB\\alice smith"),
        ("jürgen:x".encode(), "jürgen"),
        (b"j\xfcrgen:x", "jürgen"),
        (b":x", ""),
    ],
)
def test_basic_user(raw: bytes, user: str) -> None:
    assert basic.user(raw) == (user, "")


def test_basic_without_a_colon_shows_nothing() -> None:
    value, complaint = basic.user(b"perhaps-a-password")
    assert isinstance(value, Absent)
    assert "perhaps" not in complaint + value.detail


@pytest.mark.parametrize(
    ("params", "user", "realm"),
    [
        ({"username": "alice", "realm": "r"}, "alice", "r"),
        ({"username": "j\xc3\xbcrgen"}, "jürgen", None),
        ({"username*": "UTF-8''J%C3%A4s%C3%B8n%20Doe", "realm": "r"}, "Jäsøn Doe", "r"),
        ({"username*": "broken", "username": "bob"}, "bob", None),
    ],
)
def test_digest_user(params: dict[str, str], user: str, realm: str | None) -> None:
    assert digest.credentials(params) == ((user, realm), "")


def test_digest_without_user() -> None:
    assert isinstance(digest.credentials({"realm": "r"}).value, Absent)
