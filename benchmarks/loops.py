"""Peers that are libraries: ``python -m benchmarks.loops dpkt|scapy|nfstream CAPTURE`` reads every packet as their users do."""

import sys
from pathlib import Path


def _dpkt(path: str) -> int:
    import dpkt

    count = 0
    with Path(path).open("rb") as file:
        for _, data in dpkt.pcap.UniversalReader(file):
            ether = dpkt.ethernet.Ethernet(data)
            if isinstance(ether.data, dpkt.ip.IP) and isinstance(ether.data.data, dpkt.tcp.TCP) and ether.data.data.data:
                count += 1
    return count


def _scapy(path: str) -> int:
    from scapy.utils import PcapReader

    with PcapReader(path) as packets:
        return sum(1 for _ in packets)


def _nfstream(path: str) -> int:
    from nfstream import NFStreamer  # type: ignore[import-not-found,unused-ignore]

    return sum(1 for _ in NFStreamer(source=path))


if __name__ == "__main__":
    print({"dpkt": _dpkt, "scapy": _scapy, "nfstream": _nfstream}[sys.argv[1]](sys.argv[2]))
