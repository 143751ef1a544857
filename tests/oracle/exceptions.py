"""Where tshark 4.0 and we read a capture differently on purpose: one line for each file, with the reason. A file that begins to agree must leave the table."""

_IPCOMP = "what IPComp (RFC 3173) compressed is not opened"
_UNREAD = "a version or link type that tshark does not read"
_SPACE = "a target with a space in it: read up to HTTP/1.x, where tshark stops at the space"
_PREFACE = "what stands before the protocol (SOCKS, a PROXY header) is taken off the streams"
_PKTMON = "tshark 4.0 does not decode pktmon's packets in the events of Network Monitor's format"
_QUERY = "the method QUERY is younger than tshark 4.0"

COUNTS = {
    "gopacket+gopacket/pcapgo__tests__be__test901.pcapng": _UNREAD,
    "the-tcpdump-group+libpcap/tests__filter__brcm-tag.pcap": _UNREAD,
    "the-tcpdump-group+libpcap/tests__filter__dsa.pcap": _UNREAD,
    "the-tcpdump-group+libpcap/tests__pcap-invalid-version-1.pcap": _UNREAD,
    "the-tcpdump-group+libpcap/tests__pcapng-invalid-vers-1.pcapng": _UNREAD,
}
"""The number of packets."""

TCP_COUNTS = {
    "mlgualtieri+NTLMRawUnHide/examples__PktMon.cap": _PKTMON,
    "OISF+suricata-verify/tests__firewall__tcp-session-decode-malformed-ipv4__input.pcap": "IP options run into the TCP header: tshark gives the packet up",
    "OISF+suricata-verify/tests__ipv6-evasion__ipv6-malformed-fragments-25__frag-25.pcap": "a TCP header of 8 bytes",
    "simsong+tcpflow/tests__simson.pcap": "a snap length of 40 leaves 6 bytes of each TCP header",
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv4.pcap": _IPCOMP,
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv6.pcap": _IPCOMP,
    "the-tcpdump-group+libpcap/tests__filter__arcnet-rfc1051-arp-icmp-http.pcap": "the link type ARCNET is counted, not decoded",
    "zeek+zeek/testing__btest__Traces__tunnels__gre-aruba-amsdu.pcap": "an aggregate of 802.11 frames inside GRE is not opened",
}
"""The number of TCP packets."""

REQUESTS = {
    "arkime+arkime/tests__pcap__gre-erspan-vxlan.pcap": _SPACE,
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv4.pcap": _IPCOMP,
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv6.pcap": _IPCOMP,
    "the-tcpdump-group+libpcap/tests__filter__arcnet-rfc1051-arp-icmp-http.pcap": "the link type ARCNET is counted, not decoded",
    "zeek+zeek/testing__btest__Traces__http__261__variant-09-te_obs_fold.pcap": "a folded Transfer-Encoding counts (RFC 9112 section 5.2); tshark overlooks it",
    "zeek+zeek/testing__btest__Traces__http__connect-with-smtp.pcap": _SPACE,
    "zeek+zeek/testing__btest__Traces__http__query-method-non-standard-port.pcap": _QUERY,
    "zeek+zeek/testing__btest__Traces__http__query-method.pcap": _QUERY,
    "zeek+zeek/testing__btest__Traces__mixed-vlan-mpls.pcap": "HTTP/0.9, which has no heads, is not read",
    "zeek+zeek/testing__btest__Traces__tcp__payload-synack.pcap": "a request from the side that accepted the connection: the sender of the SYN is the client",
}

RESPONSES = {
    "sample_pcaps/https-to-5985/capture.pcap": "a clear 400 to a ClientHello, which tshark reads as TLS",
    "andrewf+pcap2har/tests__out-of-order.pcap": "a late SYN/ACK with another sequence number: tshark loses that side of the connection",
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv4.pcap": _IPCOMP,
    "the-tcpdump-group+libpcap/tests__filter__AH-IPcomp-IPv6.pcap": _IPCOMP,
    "simsong+tcpflow/tests__test5-lines-randomized2.pcap": "captured backwards and without a SYN: tshark takes the first packet for the beginning",
}

STREAMS = {
    "arkime+arkime/tests__pcap__socks-http-example.pcap": _PREFACE,
    "andrewf+pcap2har/tests__out-of-order.pcap": RESPONSES["andrewf+pcap2har/tests__out-of-order.pcap"],
    "simsong+tcpflow/tests__test5-lines-randomized2.pcap": RESPONSES["simsong+tcpflow/tests__test5-lines-randomized2.pcap"],
    "sample_pcaps/proxy-header-not-expected/capture.pcap": _PREFACE,
    "sample_pcaps/proxy-header-server-side-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/proxy-header-v1-http-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/proxy-header-v2-tcp-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/socks4-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/socks4a-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/socks5-client-side-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/socks5-healthy/capture.pcap": _PREFACE,
    "sample_pcaps/socks5-password/capture.pcap": _PREFACE,
    "sample_pcaps/tls-ended-hitch-proxy-header-healthy/capture.pcap": _PREFACE,
}

NAMES: dict[str, str] = {}
