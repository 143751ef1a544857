"""The table ``keys``: what became of each password, hash and key that was given."""

from collections.abc import Iterator

from analyzer.records.result import Result
from analyzer.records.secrets import KeyUse
from analyzer.tables.column import Column, Dtype, Table


def key_rows(result: Result) -> Iterator[KeyUse]:
    """Those that fit, then the others, file by file."""
    yield from result.evidence.keys


_COLUMNS: tuple[Column[KeyUse], ...] = (
    Column("secret", Dtype.TEXT, lambda row: row.tag, "Its tag: what it is, its file, and whose it is or its line. It tells nothing of its value."),
    Column("kind", Dtype.TEXT, lambda row: row.kind, "NT hash, password, Kerberos key, Kerberos ticket, NTLM session key, TLS key log, RSA private key."),
    Column("file", Dtype.TEXT, lambda row: row.file, "The file that it stands in; null for entries of the TOML file."),
    Column("account", Dtype.TEXT, lambda row: row.account, "Whose it is, as its file spells it; names are hints only, every secret is tried by proof."),
    Column("fits", Dtype.FLAG, lambda row: row.fits, "It was proved right for a logon, or decrypted something."),
    Column("authentications", Dtype.TEXT, lambda row: ",".join(row.logons) or None, "The logons that it was proved for."),
    Column(
        "connections", Dtype.TEXT, lambda row: ",".join(row.connections) or None, "The connections of these logons, and those that it decrypted something of."
    ),
    Column("messages", Dtype.INTEGER, lambda row: row.messages, "Encrypted message bodies that it decrypted; what is inside TLS is not counted."),
    Column("reason", Dtype.TEXT, lambda row: row.why, "Why it fits nothing, or why nothing was decrypted although it fits."),
    Column("entries", Dtype.INTEGER, lambda row: row.repeats, "How many entries of the file the row stands for (limit `listed_keys`)."),
)

KEYS = Table(
    name="keys",
    means="One row per password, hash or key that was given: what it decrypted, or why it fitted nothing. Of a long list what fits nothing is counted.",
    columns=_COLUMNS,
    rows=key_rows,
    screen=("secret", "fits", "connections", "messages", "reason", "entries"),
)
