"""Pages for people: title and text, in whatever character set, cut where they are long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.pages import PageText, page_text

MOST = 40


@pytest.mark.parametrize(
    ("raw", "kind", "page"),
    [
        (
            b"<HTML><HEAD><TITLE>Not\n Found</TITLE></HEAD><BODY><h2>Not Found</h2></BODY></HTML>",
            "text/html",
            ("Not Found", "Not Found"),
        ),
        (b"plain words", "text/plain", (None, "plain words")),
        (
            "<title>Gesperrt für Sie</title>".encode("latin-1"),
            "text/html; charset=iso-8859-1",
            ("Gesperrt für Sie", "Gesperrt für Sie"),
        ),
        ("<title>é</title>".encode("utf-16"), "text/html", ("é", "é")),
        ('<meta charset="windows-1252"><title>€</title>'.encode("cp1252"), "text/html", ("€", "€")),
        (b"<title>a</title><script>if (1 < 2) x()</script><style>p {}</style>b", "text/html", ("a", "a b")),
        (b"<title>&lt;b&gt;</title>", None, ("<b>", "<b>")),
        (b"\xff\xfe", "text/html; charset=no-such-thing", (None, "")),
        (b"", "text/html", (None, "")),
    ],
)
def test_title_and_text(raw: bytes, kind: str | None, page: tuple[str | None, str]) -> None:
    assert page_text(raw, kind, MOST) == PageText(*page)


def test_long_texts_are_cut() -> None:
    found = page_text(b"<title>" + b"x" * 100 + b"</title>", None, MOST)
    assert found.title == "x" * (MOST - 1) + "…"


@given(
    st.binary(max_size=300),
    st.sampled_from([None, "text/html", "text/html; charset=utf-16", "text/html; charset=rot13", "text/html;charset=hex"]),
)
def test_no_bytes_raise(raw: bytes, kind: str | None) -> None:
    assert len(page_text(raw, kind, MOST).text) <= MOST
