"""Community ID version 1, seed 0: one name for a flow, equal in Zeek, Suricata, Arkime and Wireshark (github.com/corelight/community-id-spec)."""

import base64
import hashlib
import ipaddress

_TCP = 6


def community_id(one: tuple[str, int], other: tuple[str, int]) -> str:
    """The id of the TCP flow between two (address, port) endpoints, in whichever order they are given."""
    ends = sorted((ipaddress.ip_address(host.partition("%")[0]).packed, port.to_bytes(2, "big")) for host, port in (one, other))
    (low_host, low_port), (high_host, high_port) = ends
    material = b"\0\0" + low_host + high_host + bytes((_TCP, 0)) + low_port + high_port
    return "1:" + base64.b64encode(hashlib.sha1(material, usedforsecurity=False).digest()).decode()
