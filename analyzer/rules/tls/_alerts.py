"""What TLS alerts mean (RFC 8446 section 6, RFC 5246 section 7.2), and what to change: by IANA's name. Those about the
server's certificate have a rule."""

from typing import NamedTuple


class Meaning(NamedTuple):
    """What the sender says by it, and the change that helps."""

    means: str
    remedy: str


_VERSIONS = (
    "Let both sides share a version. Server: enable TLS 1.2 (Schannel registry keys, or no policy that disables it), "
    "and .NET's SchUseStrongCrypto. "
    "Client: update a client that offers only old versions."
)
_CIPHERS = (
    "Let both sides share a cipher suite and a curve. Server: Get-TlsCipherSuite lists its suites; an ECDSA "
    "certificate needs ECDSA suites, "
    "an RSA certificate RSA suites. Client: update one that offers only old suites."
)
_NAME = (
    "Connect by a name that the server serves. Server: compare the name with netsh http show sslcert (hostnameport "
    "bindings). "
    "Balancer: let it know this server name, or have a default certificate."
)
_DEVICE = (
    "Find out who alters the handshake. Record next: captures on both sides; if the bytes differ, a device on the way "
    "changes them. "
    "Otherwise update the side that sent the alert."
)
MEANINGS: dict[str, Meaning] = {
    "protocol_version": Meaning("none of the TLS versions that were offered is accepted", _VERSIONS),
    "handshake_failure": Meaning("no acceptable set of parameters (cipher suite, curve, signature) could be agreed", _CIPHERS),
    "insufficient_security": Meaning("the cipher suites that were offered are too weak for the server", _CIPHERS),
    "inappropriate_fallback": Meaning("the client went back to an older version although the server supports a newer one", _VERSIONS),
    "unrecognized_name": Meaning("the server does not serve the name in the ClientHello (SNI)", _NAME),
    "no_application_protocol": Meaning(
        "none of the protocols that were offered by ALPN is supported",
        "Let the client offer http/1.1 by ALPN, or none; WinRM does not use HTTP/2.",
    ),
    "internal_error": Meaning(
        "the sender failed for a reason of its own, not of the handshake",
        "Look into the sender's log. Windows: System events 36870 and 36871 (Schannel) tell a certificate without its private key.",
    ),
    "access_denied": Meaning(
        "the certificate is valid, but its owner may not connect",
        "Allow the owner of the certificate in the access rules of the side that sent the alert.",
    ),
    "decrypt_error": Meaning("a signature or the handshake's checksum did not verify", _DEVICE),
    "bad_record_mac": Meaning("a record could not be decrypted: it was altered, or the keys differ", _DEVICE),
    "illegal_parameter": Meaning("a field of the handshake contradicts others", _DEVICE),
    "decode_error": Meaning("a message of the handshake could not be parsed", _DEVICE),
    "unexpected_message": Meaning("a message came that does not belong there", _DEVICE),
    "record_overflow": Meaning("a record was longer than allowed", _DEVICE),
    "missing_extension": Meaning("an extension that is mandatory was missing", _DEVICE),
    "unsupported_extension": Meaning("the server answered with an extension that was not offered", _DEVICE),
    "unknown_psk_identity": Meaning(
        "the server does not know the session or key that the client named",
        "Let the client begin a new session, without a ticket.",
    ),
    "user_canceled": Meaning("the sender gave up the handshake for a reason outside of TLS", "Look into the sender's log."),
    "no_renegotiation": Meaning(
        "the sender does not negotiate again on this connection",
        "Let the server ask for the client's certificate in the first handshake: netsh http update sslcert with clientcertnegotiation=enable.",
    ),
}
OTHER = Meaning("a fault of the handshake", "Look into the log of the side that sent the alert, and of the other one.")
