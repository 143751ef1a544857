import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from analyzer.tables.community_id import community_id

# github.com/corelight/community-id-spec, baseline/baseline_deflt.json: the TCP flows of tcp.pcap.
VECTORS = [
    (("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    (("10.0.0.1", 50001), ("10.0.0.9", 5985), None),
    (("fe80::1", 50001), ("2001:db8::9", 5985), None),
]


@pytest.mark.parametrize(("client", "server", "expected"), VECTORS)
def test_both_directions_give_one_id(client: tuple[str, int], server: tuple[str, int], expected: str | None) -> None:
    made = community_id(client, server)
    assert made == community_id(server, client)
    assert made.startswith("1:")
    assert expected is None or made == expected


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize(("client", "server", "expected"), VECTORS)
def test_wireshark_gives_the_same(client: tuple[str, int], server: tuple[str, int], expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(_capture(client, server))
    command = ["tshark", "-r", str(path), "--enable-protocol", "communityid", "-T", "fields", "-e", "communityid"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert found == community_id(client, server)


def _capture(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """A raw-IP pcap with one SYN."""
    import ipaddress

    one, other = ipaddress.ip_address(client[0]), ipaddress.ip_address(server[0])
    tcp = struct.pack("!HHIIBBHHH", client[1], server[1], 1, 0, 5 << 4, 2, 1024, 0, 0)
    heads = {4: struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0), 6: struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64)}
    packet = heads[one.version] + one.packed + other.packed + tcp
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
