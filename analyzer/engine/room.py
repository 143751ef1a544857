"""How much the compressed parts of one connection may become."""

from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.settings import Limits


def room_of(connection: Connection, limits: Limits) -> int:
    """Bytes: some in any case, and so many times what was captured of the connection."""
    return limits.unpacked_bytes + limits.unpacked_ratio * (sum(connection.to_server.extents.size) + sum(connection.to_client.extents.size))


def too_large(connection: Connection, limits: Limits) -> Issue:
    """What is said where that was reached."""
    told = (
        f"unpacked_ratio={limits.unpacked_ratio}: the compressed bodies and streams of {connection.id} became too large, and the rest was left out; in any "
        f"case it may be unpacked_bytes={limits.unpacked_bytes}, a share of unpacked_run_bytes and unpacked_capture_bytes"
    )
    return Issue("wsman.limit", told, connection.id, connection.capture)
