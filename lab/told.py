"""What only the endpoints know: who was there, whose logon came to what and why, and who ended a connection.

Parties come from the scenario and the proxies' configuration, reasons of logons from the server's log, the first FIN or RST of a
connection from the whole recording; a reset in the server's name with another TTL than the server's packets is the device's.
"""

from typing import Any

from lab import network
from lab.scenario import Scenario
from lab.streams import RST, Connection

SENT_BY = {
    "direct": ("client", "server"),
    "client_leg": ("client", "proxy"),
    "tunnel": ("client", "proxy"),
    "upstream_leg": ("proxy", "server"),
}


def reason(error: str | None) -> str | None:
    """The reason for which a logon failed, from the words of the server's log."""
    if not error:
        return None
    if error.startswith(("ValueError", "StopIteration")):
        return "token without its handshake"
    if error.startswith(("InvalidTokenError", "SpnegoError", "NoCredentialError")):
        return "credentials"
    return error.partition(":")[2].strip() if error.startswith("HTTP layer") else error


def logons(spoken: list[dict[str, Any]], legs: dict[str, str]) -> list[dict[str, Any]]:
    """The logons as clients made them: on the connections that clients opened."""
    rows = []
    for row in spoken:
        name = f"{row['client_ip']}:{row['client_port']}" + (".t" if row.get("in_tunnel") else "")
        if legs[name] != "upstream_leg":
            keys = (
                "client_ip",
                "client_port",
                "audience",
                "mechanism",
                "user",
                "domain",
                "outcome",
                "first_position",
                "last_position",
            )
            rows.append({key: row[key] for key in keys} | {"reason": row.get("reason")})
    return rows


def endings(found: list[Connection], legs: dict[str, str], outer: set[str]) -> list[dict[str, Any]]:
    """Who sent the first FIN or RST of each connection; `outer` are second views, which say the same."""
    rows = []
    for connection in found:
        if connection.inside or connection.name in outer:
            continue
        host, _, port = connection.client.rpartition(":")
        row = {
            "client_ip": host,
            "client_port": int(port),
            "ended_first": None,
            "how": None,
            "packet": None,
            "capture": connection.capture,
        }
        last = connection.ending
        if last is not None:
            usual = connection.ttls.get(last.source, set())
            device = bool(last.flags & RST and usual and last.ttl not in usual)
            ends = SENT_BY[legs[connection.name]]
            if ends[1] == "server" and connection.server.rpartition(":")[0] not in network.SERVERS:
                ends = ("proxy", "proxy")
            by = ends[last.source != connection.client]
            how = "reset" if last.flags & RST else "fin"
            row |= {
                "ended_first": "device" if device else by,
                "how": how,
                "packet": last.number,
                "time": round(last.time, 6),
            }
        rows.append(row)
    return rows


def document(scenario: Scenario) -> dict[str, Any]:
    """`parties` of truth.json."""
    hosts = dict.fromkeys(client.host for phase in scenario.phases for client in phase)
    rows: list[dict[str, Any]] = [{"kind": "client", "endpoints": [network.CLIENTS[host]], "product": None} for host in hosts]
    rows += scenario.parties or _proxies(scenario)
    if scenario.link == "translated":
        rows.append({"kind": "address translation", "endpoints": [network.TRANSLATED_IP], "product": "nftables"})
    if scenario.device is not None and scenario.device.does != "redirect":
        rows.append({"kind": "device", "endpoints": [network.PROXY_INSIDE], "product": "nftables", "does": scenario.device.does})
    port = 5986 if scenario.server.tls else 5985
    rows.append({"kind": "server", "endpoints": [f"{network.SERVER_IP}:{port}"], "product": "Microsoft-HTTPAPI/2.0"})
    if scenario.kerberos:
        rows.append({"kind": "kdc", "endpoints": [f"{network.KDC_IP}:88"], "product": "MIT krb5"})
    return {"parties": rows}


def _proxies(scenario: Scenario) -> list[dict[str, Any]]:
    kind, options = scenario.proxy.kind, scenario.proxy.options
    if kind == "none":
        return []
    inside, outside = network.PROXY_INSIDE, network.PROXY_OUTSIDE
    if kind == "chain":
        first = options["first"][0] if options else "mitmproxy"
        second = options["second"][0] if options else "squid"
        rows = [{"kind": "proxy", "endpoints": [inside, network.EDGE_ROUTER], "product": first}]
        return [*rows, {"kind": "proxy", "endpoints": [network.EDGE_IP], "product": second}]
    if kind == "beside":
        return [{"kind": "proxy", "endpoints": [inside, outside], "product": each} for each, _ in options["each"]]
    word = "socks" if kind in ("microsocks", "dante", "socks4a") else "proxy"
    listens = [inside, network.PROXY_SECOND] if _uses_the_second_address(scenario) else [inside]
    return [{"kind": word, "endpoints": [*listens, outside], "product": kind}]


def _uses_the_second_address(scenario: Scenario) -> bool:
    return any(client.options.get("host_name") == network.SECOND_NAME for phase in scenario.phases for client in phase)
