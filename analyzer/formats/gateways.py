"""How gateways, proxies and load balancers name themselves in header fields."""

import re
from functools import lru_cache

from analyzer.records.http import Header

TRACES = ("via", "x-cache", "x-served-by", "x-varnish", "x-squid-error", "x-amz-cf-id", "cf-ray", "proxy-authenticate", "proxy-connection", "x-arr-log-id")
"""Fields of a response, in lower case, that only an intermediary writes."""
_PRODUCTS = re.compile(
    r"(?i)(?<![\w-])(?:nginx|openresty|tengine|haproxy|squid|varnish|envoy|istio-envoy|apache|ats|traffic ?server|lighttpd|caddy|traefik|h2o|pound|cloudflare"
    r"|akamai\w*|awselb|cloudfront|big-?ip|netscaler|citrix\w*|zscaler\w*|blue ?coat|mitmproxy|tinyproxy|privoxy|yarp|kong|apisix|3proxy|cntlm|ccproxy"
    r"|wingate|fortigate|fortiweb|barracuda\w*|imperva|incapsula|sucuri\w*|google frontend|gws|gfe|microsoft-azure-application-gateway)(?![\w-])"
)


@lru_cache(maxsize=1024)
def is_gateway(product: str | None) -> bool:
    """A Server field names a product that serves as a gateway and is no WinRM service."""
    return product is not None and _PRODUCTS.search(product) is not None


def shows_gateway(headers: tuple[Header, ...], *, by_product: bool = True) -> bool:
    """A response's fields say that an intermediary wrote or passed it. ``by_product``: the product in Server says so, too, because it serves no WinRM.

    One tuple serves all messages with the same head, so it is looked up as the object that it is."""
    of_all = _SHOWN[by_product]
    known = of_all.get(id(headers))
    if known is None or known[0] is not headers:
        shows = any(one.name.lower() in TRACES or (by_product and one.name.lower() == "server" and is_gateway(one.value)) for one in headers)
        if len(of_all) >= _MANY:
            of_all.clear()
        known = of_all[id(headers)] = (headers, shows)
    return known[1]


_MANY = 1024
_SHOWN: tuple[dict[int, tuple[tuple[Header, ...], bool]], ...] = ({}, {})
"""Heads, by what Python calls each, where the product does not count and where it does: an entry keeps its head, so that no other is called so meanwhile."""
