"""The table ``keys``: what became of each password, hash and key that was given."""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.result import Result
from analyzer.records.secrets import KeyUse
from analyzer.tables.column import Column, Dtype, Table


class KeyRow(Struct, frozen=True, gc=False):
    """A secret, and the names of the captures that its connections begin in."""

    use: KeyUse
    captures: tuple[str, ...]


def key_rows(result: Result) -> Iterator[KeyRow]:
    """Those that fit, then the others, file by file."""
    evidence = result.evidence
    for use in evidence.keys:
        ordinals = sorted({evidence.connections[identity].capture for identity in use.connections})
        yield KeyRow(use, tuple(evidence.captures[ordinal].name for ordinal in ordinals))


_COLUMNS: tuple[Column[KeyRow], ...] = (
    Column("tag", Dtype.TEXT, lambda row: row.use.tag, "Its name here: what it is, its file, and whose it is or its line. It tells nothing of its value."),
    Column("kind", Dtype.TEXT, lambda row: row.use.kind, "NT hash, password, Kerberos key, Kerberos ticket, NTLM session key, TLS key log, RSA private key."),
    Column("file", Dtype.TEXT, lambda row: row.use.file, "The file that it stands in; null for entries of the TOML file."),
    Column("account", Dtype.TEXT, lambda row: row.use.account, "Whose it is, as its file spells it; names are hints only, all is tried by proof."),
    Column("fits", Dtype.FLAG, lambda row: row.use.fits, "It was proved right for a logon, or decrypted something."),
    Column("authentications", Dtype.TEXT, lambda row: ",".join(row.use.logons) or None, "The logons that it was proved for."),
    Column(
        "connections",
        Dtype.TEXT,
        lambda row: ",".join(row.use.connections) or None,
        "The connections of these logons, and those that it decrypted something of.",
    ),
    Column("capture", Dtype.TEXT, lambda row: ",".join(row.captures) or None, "The captures of these connections."),
    Column("messages", Dtype.INTEGER, lambda row: row.use.messages, "Encrypted message bodies that it decrypted; what is inside TLS is not counted."),
    Column("reason", Dtype.TEXT, lambda row: row.use.why, "Why it fits nothing, or why nothing was decrypted although it fits."),
    Column("entries", Dtype.INTEGER, lambda row: row.use.repeats, "How many entries of the file the row stands for (limit `listed_keys`)."),
)

KEYS = Table(
    name="keys",
    means="One row per password, hash or key that was given: what it decrypted, or why it fitted nothing. Of a long list what fits nothing is counted.",
    columns=_COLUMNS,
    rows=key_rows,
    screen=("tag", "fits", "connections", "messages", "reason", "entries"),
)
