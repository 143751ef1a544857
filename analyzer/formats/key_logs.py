"""The lines of a TLS key log (the NSS format, as SSLKEYLOGFILE makes it): label, client random, secret."""

import binascii
from collections.abc import Iterator

LABELS = (
    "CLIENT_RANDOM",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "EARLY_EXPORTER_SECRET",
    "RSA",
)
"""Of label ``RSA`` the second word is the beginning of the encrypted premaster secret."""


def entry(line: str) -> tuple[str, bytes, bytes] | None:
    """(label, client random, secret) of a line; None for what is none."""
    words = line.split()
    if len(words) != 3 or words[0] not in LABELS:
        return None
    try:
        return words[0], binascii.unhexlify(words[1]), binascii.unhexlify(words[2])
    except (binascii.Error, ValueError):
        return None


def entries(data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Every line that is one."""
    for line in data.decode("ascii", "replace").splitlines():
        found = entry(line)
        if found is not None:
            yield found
