"""How a secret that is known may be spelt: in the encodings in which texts carry it."""

import re
from collections.abc import Iterator, Sequence

SHORTEST = 4
"""Characters; a shorter value would blot out half of every text."""
_ALL_HEX_AS_ZERO = bytes(ord("0") if chr(code) in "0123456789abcdefABCDEF" else ord(" ") for code in range(256))


def hidden_forms(value: str) -> Iterator[str]:
    """A password as it is, and as texts carry it: in an address, in HTML, JSON or a PowerShell string, with a zero after each character (UTF-16)."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    yield value
    for quoted in (quote(value, safe=""), quote_plus(value), quote(value)):
        yield quoted
        yield re.sub("%..", lambda code: code[0].lower(), quoted)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&#x27;", "&apos;")
    yield html.escape(value).replace("&#x27;", "&#39;")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield value.replace("'", "''")
    yield "\0".join(value)
    yield value.encode("utf-8", "surrogatepass").decode("latin-1")


def base64_forms(data: bytes) -> Iterator[tuple[str, str, str]]:
    """How bytes look within base64 text, by where they begin in a group of three: (a character that they share with what stands before, all that is theirs
    alone, one that they share with what follows). The first and the last are empty where nothing is shared."""
    import base64

    for lead in range(3):
        bits = 8 * (lead + len(data))
        skipped = (0, 2, 3)[lead]
        inner = base64.b64encode(bytes(lead) + data).decode("ascii")[skipped : bits // 6]
        around = ("?" if lead else "", "?" if bits % 6 else "")
        for form in (inner, inner.replace("+", "-").replace("/", "_")):
            yield around[0], form, around[1]


def forms(values: Sequence[str], keys: Sequence[bytes]) -> tuple[list[tuple[str, str, str]], frozenset[str]]:
    """What to look for: texts with the characters around them that go as well, and runs of hexadecimal digits."""
    written = {form for value in values for form in hidden_forms(value)}
    encoded = {form.encode(encoding, "surrogatepass") for form in written for encoding in ("utf-8", "utf-16-le")}
    texts = {("", form, "") for form in written} | {form for data in (*encoded, *keys) for form in base64_forms(data)}
    digits = frozenset(data.hex() for data in (*encoded, *keys))
    return sorted(form for form in texts if len(form[1]) >= SHORTEST), digits


def has_run(text: str, size: int) -> bool:
    """True when so many hexadecimal digits stand together: on a long text this is much cheaper than a search for runs."""
    return b"0" * size in text.encode("ascii", "replace").translate(_ALL_HEX_AS_ZERO)
