"""Sentences of Microsoft's page "Proxy Servers and WinRM" that rules and the scorecard rest on, word for word (Microsoft Learn, CC BY 4.0).

A finding names the heading that the sentence stands under and quotes the sentence; the page has no numbers to cite by.
"""

from analyzer.records.finding import PROXY_SERVERS as PAGE
from analyzer.records.finding import Quotation

_HTTPS_BASED = f"{PAGE}, HTTPS-Based Proxy Connections"
_HTTP_BASED = f"{PAGE}, HTTP-Based Proxy Connections"
_ENCRYPTION = f"{PAGE}, Encryption and WinRM 2.0"

SENDS_DIRECTLY = Quotation(PAGE, "In general, the WinRM client sends messages directly to the WinRM server.")
HTTPS_FOR_AFFINITY = Quotation(
    _HTTPS_BASED,
    "For better security and connection-based affinity, HTTPS should be used as the transport mechanism.",
)
PROXY_LOGON_NEEDS_HTTPS = Quotation(
    _HTTPS_BASED,
    "If the proxy server requires authentication, the WinRM clients and servers must use HTTPS.",
)
LOGONS_ARE_INDEPENDENT = Quotation(
    _HTTPS_BASED,
    "Authentication to the proxy server is independent from the authentication to the destination server.",
)
NO_CONNECTION_LOGON = Quotation(
    _HTTP_BASED,
    "The proxy server does not support connection-based authentication, which can cause the authentication "
    "against the destination server to fail with an access denied error.",
)
TWO_CREDENTIALS = Quotation(
    _HTTP_BASED,
    "More than one set of credentials is needed to connect to the destination server and to the proxy server.",
)
NO_AFFINITY_FAILS = Quotation(
    _HTTP_BASED,
    "Also, the lack of connection affinity might cause the authentication to fail against the server.",
)
HTTP_1_1 = Quotation(_HTTP_BASED, "Support for HTTP/1.1.")
CONNECTION_LOGON = Quotation(
    _HTTP_BASED,
    "Connection-based authentication for Negotiate, Kerberos, and CredSSP authentication.",
)
KEEP_OPEN = Quotation(
    _HTTP_BASED,
    "If the WinRM server returns a response to the client that is not a 401 response, the proxy should not close the connection.",
)
CLOSES_AFTER_200 = Quotation(
    _HTTP_BASED,
    "HTTP-based proxy servers might end the connection-based authentication affinity and close the TCP/IP "
    "connection after receiving the 200-level response from the WinRM server.",
)
REQUEST_NEVER_SENT = Quotation(
    _HTTP_BASED,
    "If the proxy server closes the connection, the server will attempt to re-authenticate the client and the"
    " client request might never be sent to the server.",
)
AFFINITY_LOST = Quotation(
    _HTTP_BASED,
    "If the connection-based affinity is not maintained, authentication against the destination server can fail with an access denied error.",
)
PERSISTENCE = Quotation(_HTTP_BASED, "Connection persistence.")
SAME_CONNECTION = Quotation(
    _HTTP_BASED,
    "The client TCP/IP connection to the proxy should continue to map to the same TCP/IP connection from the proxy to the server.",
)
EVERY_REQUEST_AGAIN = Quotation(
    _HTTP_BASED,
    "If the connection is not maintained, every request must be re-authenticated, which might affect performance.",
)
ENFORCE_ENCRYPTION = Quotation(
    _ENCRYPTION,
    "If a WinRM server supports HTTP and is accessed through a proxy, the WinRM server must enforce encryption and not allow unencrypted network traffic.",
)
NEVER_UNENCRYPTED = Quotation(
    _ENCRYPTION,
    "Under no circumstances should unencrypted HTTP requests be sent through proxy servers.",
)
PROXY_SEES_ALL = Quotation(
    _ENCRYPTION,
    "It is possible that a malicious proxy server could examine every request/response pair, including credentials.",
)
ANOTHER_CLIENT = Quotation(
    _ENCRYPTION,
    "If the TCP/IP connections are not strongly mapped between both the WinRM client and the proxy server and"
    " between the proxy server and the destination server, an unauthorized client could connect to the "
    "destination server by using the same authenticated connection from the proxy server to the destination "
    "server.",
)
DENIED_IF_ENCRYPTED = Quotation(
    _ENCRYPTION,
    "If encryption is enforced, the destination server sends an access denied message to the unauthenticated client.",
)
