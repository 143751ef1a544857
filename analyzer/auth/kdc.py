"""Exchanges with a key distribution center as records: bytes as they travelled in, what is in clear of each message out."""

from collections.abc import Iterable

from analyzer.auth.schemes.kdc import clear
from analyzer.records.ids import key_capture
from analyzer.records.kerberos import KdcMessage, KdcPiece

_COPY_NS = 50_000_000
"""Equal bytes between the same ends within this time are one message captured twice; a client waits longer before it asks again."""


def kdc_messages(pieces: Iterable[KdcPiece]) -> tuple[KdcMessage, ...]:
    """The messages in order of time. One that two capture points saw, or one capture saw twice, is there once; damaged ones are left out."""
    found: list[KdcMessage] = []
    seen: dict[tuple[bytes, tuple[str, int], tuple[str, int]], KdcPiece] = {}
    for piece in pieces:
        before = seen.get(key := (piece.raw, piece.source, piece.target))
        if before is not None and _is_copy(before, piece):
            continue
        seen[key] = piece
        told = clear(piece.raw)
        if told is None:
            continue
        client, kdc = (piece.source, piece.target) if told.kind.asks else (piece.target, piece.source)
        found.append(
            KdcMessage(
                packets=piece.packets,
                ts_ns=piece.ts_ns,
                client_host=client[0],
                client_port=client[1],
                kdc_host=kdc[0],
                kind=told.kind,
                client=told.client,
                realm=told.realm,
                service=told.service,
                error_code=told.error_code,
                ticket=told.ticket,
                size=len(piece.raw),
                server_ns=told.server_ns,
                etype=told.etype,
                granting=told.granting,
                granting_etype=told.granting_etype,
            )
        )
    return tuple(found)


def _is_copy(before: KdcPiece, piece: KdcPiece) -> bool:
    return key_capture(before.packets[0]) != key_capture(piece.packets[0]) or piece.ts_ns - before.ts_ns <= _COPY_NS
