"""How gateways, proxies and load balancers name themselves in header fields."""

import re
from collections.abc import Iterable

from analyzer.records.http import Header

TRACES = ("via", "x-cache", "x-served-by", "x-varnish", "x-squid-error", "x-amz-cf-id", "cf-ray", "proxy-authenticate", "proxy-connection", "x-arr-log-id")
"""Fields of a response, in lower case, that only an intermediary writes."""
_PRODUCTS = re.compile(
    r"(?i)(?<![\w-])(?:nginx|openresty|tengine|haproxy|squid|varnish|envoy|istio-envoy|apache|ats|traffic ?server|lighttpd|caddy|traefik|h2o|pound|cloudflare"
    r"|akamai\w*|awselb|cloudfront|big-?ip|netscaler|citrix\w*|zscaler\w*|blue ?coat|mitmproxy|tinyproxy|privoxy|yarp|kong|apisix|3proxy|cntlm|ccproxy"
    r"|wingate|fortigate|fortiweb|barracuda\w*|imperva|incapsula|sucuri\w*|google frontend|gws|gfe|microsoft-azure-application-gateway)(?![\w-])"
)


def is_gateway(product: str | None) -> bool:
    """A Server field names a product that serves as a gateway and is no WinRM service."""
    return product is not None and _PRODUCTS.search(product) is not None


def shows_gateway(headers: Iterable[Header], *, by_product: bool = True) -> bool:
    """A response's fields say that an intermediary wrote or passed it. ``by_product``: the product in Server says so, too, because it serves no WinRM."""
    return any(one.name.lower() in TRACES or (by_product and one.name.lower() == "server" and is_gateway(one.value)) for one in headers)
