"""What to set on which proxy or load balancer: one table, with the vendors' own documents.

`Finding.settings` has the settings of all products; first that of the product that was seen on the finding's connections, or that the user named.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import islice

from msgspec import Struct

from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import ProductSetting
from analyzer.rules.reading import header, request, response, upstream

_LOOKED_AT = 16


class Topic(StrEnum):
    """What a setting is for."""

    BIND = "one upstream connection for each client connection"
    KEEP = "connections stay open on both sides"
    IDLE = "how long a connection may be silent"
    HTTP_1_1 = "HTTP/1.1 to the server"
    STICKY = "a client stays with its server"
    HOST = "the client's Host field goes on"
    LENGTH = "request bodies go on with their length"
    RETRY = "no request is sent twice"
    CACHE = "nothing of WinRM is cached"
    ALPN = "HTTP/2 is not offered"
    ALLOW = "ports 5985 and 5986 are allowed"
    TLS = "TLS passes unopened"
    COMPRESS = "responses are not compressed"
    FIELDS = "WWW-Authenticate lines are forwarded unchanged"


class Setting(Struct, frozen=True, gc=False):
    """What to set, and where the vendor describes it."""

    text: str
    document: str


class Product(Struct, frozen=True, gc=False):
    """``seen``: as a regular expression, what it writes into Via, Server or X-Powered-By; None when it leaves no name there."""

    name: str
    seen: str | None
    settings: Mapping[Topic, Setting]


_SQUID = "http://www.squid-cache.org/Doc/config/"
_NGINX = "https://nginx.org/en/docs/http/"
_HAPROXY = "https://docs.haproxy.org/3.0/configuration.html"
_APACHE = "https://httpd.apache.org/docs/2.4/mod/"
_LEARN = "https://learn.microsoft.com/"
_AWS = "https://docs.aws.amazon.com/elasticloadbalancing/latest/"
_F5 = "https://techdocs.f5.com/en-us/bigip-16-1-0/big-ip-local-traffic-management-profiles-reference/other-profiles.html"
_ARR = _LEARN + "iis/extensions/configuring-application-request-routing-arr/http-load-balancing-using-application-request-routing"

PRODUCTS = (
    Product(
        "squid",
        r"(?i)\bsquid\b",
        {
            Topic.BIND: Setting(
                "connection-auth=on for http_port and cache_peer, client_persistent_connections and server_persistent_connections on",
                "https://wiki.squid-cache.org/Features/ConnPin",
            ),
            Topic.KEEP: Setting("client_persistent_connections and server_persistent_connections on", _SQUID + "client_persistent_connections/"),
            Topic.IDLE: Setting("read_timeout, client_idle_pconn_timeout and server_idle_pconn_timeout", _SQUID + "read_timeout/"),
            Topic.RETRY: Setting("retry_on_error off", _SQUID + "retry_on_error/"),
            Topic.CACHE: Setting("cache deny with an acl for ports 5985 and 5986", _SQUID + "cache/"),
            Topic.ALLOW: Setting("Safe_ports and SSL_ports must hold 5985 and 5986", _SQUID + "http_access/"),
            Topic.TLS: Setting("ssl_bump splice", "https://wiki.squid-cache.org/Features/SslPeekAndSplice"),
        },
    ),
    Product(
        "nginx",
        r"(?i)\bnginx\b",
        {
            Topic.BIND: Setting(
                'ntlm and keepalive in the upstream block (NGINX Plus) with proxy_http_version 1.1 and Connection "", or the stream module',
                _NGINX + "ngx_http_upstream_module.html#ntlm",
            ),
            Topic.KEEP: Setting(
                'keepalive_timeout for clients; keepalive in the upstream block, proxy_http_version 1.1 and proxy_set_header Connection ""',
                _NGINX + "ngx_http_upstream_module.html#keepalive",
            ),
            Topic.IDLE: Setting("proxy_read_timeout and keepalive_timeout", _NGINX + "ngx_http_proxy_module.html#proxy_read_timeout"),
            Topic.HTTP_1_1: Setting('proxy_http_version 1.1 and proxy_set_header Connection ""', _NGINX + "ngx_http_proxy_module.html#proxy_http_version"),
            Topic.STICKY: Setting("ip_hash", _NGINX + "ngx_http_upstream_module.html#ip_hash"),
            Topic.HOST: Setting("proxy_set_header Host $http_host", _NGINX + "ngx_http_proxy_module.html#proxy_set_header"),
            Topic.LENGTH: Setting("proxy_request_buffering on", _NGINX + "ngx_http_proxy_module.html#proxy_request_buffering"),
            Topic.RETRY: Setting("proxy_next_upstream off", _NGINX + "ngx_http_proxy_module.html#proxy_next_upstream"),
            Topic.CACHE: Setting("proxy_cache off", _NGINX + "ngx_http_proxy_module.html#proxy_cache"),
            Topic.COMPRESS: Setting("gzip off", _NGINX + "ngx_http_gzip_module.html#gzip"),
            Topic.ALPN: Setting("no http2 on the listener", _NGINX + "ngx_http_v2_module.html#http2"),
        },
    ),
    Product(
        "haproxy",
        r"(?i)\bhaproxy\b",
        {
            Topic.BIND: Setting("http-reuse never, option http-keep-alive, no option http-server-close or httpclose; or mode tcp", _HAPROXY),
            Topic.KEEP: Setting("option http-keep-alive, no option http-server-close or httpclose", _HAPROXY),
            Topic.IDLE: Setting("timeout client, timeout server and timeout http-keep-alive", _HAPROXY),
            Topic.STICKY: Setting("balance source, or stick on src", _HAPROXY),
            Topic.HOST: Setting("no http-request set-header Host", _HAPROXY),
            Topic.RETRY: Setting("retries 0 and no option redispatch", _HAPROXY),
            Topic.COMPRESS: Setting("no filter compression", _HAPROXY),
            Topic.ALPN: Setting("alpn http/1.1 on bind and server lines", _HAPROXY),
        },
    ),
    Product(
        "Apache",
        r"(?i)\bapache\b",
        {
            Topic.BIND: Setting(
                "no disablereuse=on; but mod_proxy binds nothing, so use CONNECT (AllowCONNECT 5986)", _APACHE + "mod_proxy_connect.html#allowconnect"
            ),
            Topic.KEEP: Setting("KeepAlive On, no disablereuse=on, no SetEnv proxy-nokeepalive", _APACHE + "mod_proxy.html#proxypass"),
            Topic.IDLE: Setting("ProxyTimeout and KeepAliveTimeout", _APACHE + "mod_proxy.html#proxytimeout"),
            Topic.HTTP_1_1: Setting("no SetEnv force-proxy-request-1.0", _APACHE + "mod_proxy_http.html#env"),
            Topic.HOST: Setting("ProxyPreserveHost On", _APACHE + "mod_proxy.html#proxypreservehost"),
            Topic.LENGTH: Setting("SetEnv proxy-sendcl", _APACHE + "mod_proxy_http.html#env"),
            Topic.COMPRESS: Setting("SetEnv no-gzip 1", _APACHE + "mod_deflate.html#proxies"),
            Topic.ALPN: Setting("Protocols http/1.1", _APACHE + "core.html#protocols"),
        },
    ),
    Product(
        "IIS ARR",
        r"\bARR/\d",
        {
            Topic.IDLE: Setting("the proxy's timeout (system.webServer/proxy timeout, or that of the server farm)", _ARR),
            Topic.STICKY: Setting("client affinity of the server farm", _ARR),
            Topic.HOST: Setting("preserveHostHeader of system.webServer/proxy", _ARR),
        },
    ),
    Product(
        "F5 BIG-IP",
        r"(?i)\bBIG-?IP\b",
        {Topic.BIND: Setting("no OneConnect profile on the virtual server: it shares server-side connections", _F5)},
    ),
    Product(
        "Azure Application Gateway",
        r"(?i)\bMicrosoft-Azure-Application-Gateway\b",
        {
            Topic.BIND: Setting(
                "Dedicated backend connection in the backend settings (v2, not with HTTP/2), or a TCP listener",
                _LEARN + "azure/application-gateway/configuration-http-settings",
            ),
            Topic.IDLE: Setting("the timeout of the backend settings", _LEARN + "azure/application-gateway/configuration-http-settings"),
        },
    ),
    Product(
        "Azure Load Balancer",
        None,
        {Topic.IDLE: Setting("idleTimeoutInMinutes", _LEARN + "azure/load-balancer/load-balancer-tcp-idle-timeout")},
    ),
    Product(
        "AWS load balancers",
        r"(?i)\bawselb\b",
        {
            Topic.BIND: Setting("a TCP listener of a Network Load Balancer, not an Application Load Balancer", _AWS + "network/network-load-balancers.html"),
            Topic.KEEP: Setting("client_keep_alive.seconds of an Application Load Balancer", _AWS + "application/edit-load-balancer-attributes.html"),
            Topic.IDLE: Setting(
                "tcp.idle_timeout.seconds (Network) or idle_timeout.timeout_seconds (Application Load Balancer)", _AWS + "network/update-idle-timeout.html"
            ),
        },
    ),
    Product(
        "Google Cloud load balancers",
        r"(?i)(?:^|\s)1\.1 google\b",
        {
            Topic.BIND: Setting(
                "a passthrough Network Load Balancer, not an Application Load Balancer", "https://cloud.google.com/load-balancing/docs/network"
            ),
            Topic.KEEP: Setting("httpKeepAliveTimeoutSec of the target proxy", "https://cloud.google.com/compute/docs/reference/rest/v1/targetHttpProxies"),
        },
    ),
    Product(
        "tinyproxy",
        r"(?i)\btinyproxy\b",
        {Topic.KEEP: Setting("it closes after each response: use CONNECT with HTTPS, or another proxy", "https://tinyproxy.github.io/")},
    ),
    Product(
        "mitmproxy",
        r"(?i)\bmitmproxy\b",
        {Topic.TLS: Setting("--ignore-hosts", "https://docs.mitmproxy.org/stable/howto/ignore-domains/")},
    ),
    Product(
        "Node.js http-proxy",
        None,
        {Topic.FIELDS: Setting("copy rawHeaders instead of headers", "https://github.com/http-party/node-http-proxy")},
    ),
)
"""Settings that were looked up in the documents next to them. A product without an entry for a topic has no such setting there, or none that was found."""

PAST_DOCUMENT = _LEARN + "windows/win32/winhttp/proxycfg-exe--a-proxy-configuration-tool"
PAST_THE_PROXY = (
    Setting("New-PSSessionOption -ProxyAccessType NoProxyServer", _LEARN + "powershell/module/microsoft.powershell.core/new-pssessionoption"),
    Setting("WinRM 1.1 and earlier: the bypass list of netsh winhttp set proxy, before Windows Vista of ProxyCfg.exe", PAST_DOCUMENT),
)
"""How a client goes past the proxy: Windows' own, and old ones, which know WinHTTP's proxy only."""
_CLIENT = "Windows client, past the proxy"


class Advice(Struct, frozen=True, gc=False):
    """A lead sentence, ``more`` that may follow it, and the topic whose settings stand next to it. ``past``: to go past the proxy would help as well."""

    lead: str
    topic: Topic
    more: str = ""
    past: bool = False

    @property
    def text(self) -> str:
        """The advice without any product: those have their lines in `Finding.settings`."""
        past = "Or let the client go past the proxy." if self.past else ""
        return " ".join(part for part in (f"{self.lead}.", self.more, past) if part)

    def about(self, evidence: Evidence, connections: Iterable[str]) -> str:  # noqa: ARG002  a rule's advice may depend on what was seen
        """The advice for what was seen on these connections."""
        return self.text

    def settings(self, evidence: Evidence, connections: Iterable[str]) -> tuple[ProductSetting, ...]:
        """The settings of all products for this topic: first that of the product that the user named, or else of the one that was seen."""
        seen = seen_on(evidence, connections) if evidence.product is None else product_named(evidence.product)
        made = [ProductSetting(product.name, own.text, own.document, product is seen) for product, own in with_setting(self.topic)]
        past = [ProductSetting(_CLIENT, own.text, own.document) for own in PAST_THE_PROXY] if self.past else []
        return (*sorted(made, key=lambda one: not one.seen), *past)


def product_named(name: str) -> Product | None:
    """The product of that name, as people write it: ``nginx``, ``arr``, ``big-ip``. None: it is not in the table, or several are meant."""
    plain = _bare(name)
    exact = [product for product in PRODUCTS if _bare(product.name) == plain]
    found = exact or [product for product in PRODUCTS if plain and plain in _bare(product.name)]
    return found[0] if len(found) == 1 else None


def known_product(name: str) -> str:
    """The name of that product in the table. `UsageError`: it is not there, or several are meant."""
    found = product_named(name)
    if found is None:
        msg = f"there are no settings for a proxy product {name!r}; the products are {', '.join(product.name for product in PRODUCTS)}"
        raise UsageError(msg)
    return found.name


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def with_setting(topic: Topic) -> Iterator[tuple[Product, Setting]]:
    """The products that have a setting for a topic."""
    return ((product, product.settings[topic]) for product in PRODUCTS if topic in product.settings)


def seen_on(evidence: Evidence, connections: Iterable[str]) -> Product | None:
    """The product that names itself in the first exchanges of these connections, or in those that they were forwarded as."""
    words = " ".join(islice((word for connection in connections for word in _words(evidence, connection)), 4 * _LOOKED_AT))
    return next((product for product in PRODUCTS if product.seen is not None and re.search(product.seen, words)), None)


def _words(evidence: Evidence, connection: str) -> Iterator[str]:
    for exchange in evidence.exchanges_of.get(connection, ())[:_LOOKED_AT]:
        far = upstream(evidence, exchange.id)
        for half in (response(exchange), request(exchange), None if far is None else request(far)):
            for name in ("via", "server", "x-powered-by") if half is not None else ():
                value = header(half, name)
                if value:
                    yield value
