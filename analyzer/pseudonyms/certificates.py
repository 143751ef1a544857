"""X.509 certificates with pseudonyms (RFC 5280): names, serial number, and the public key, by which a certificate is found in public logs.

Lengths stay. A certificate that was signed by its own key is so again, with a key that is thrown away; the signature of an authority no longer fits.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from analyzer.pseudonyms.tokens import Namer, der

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

_TRIES = 400
"""An ECDSA signature has one of few lengths: as often one is made until it has the old one's."""


def certificate(data: bytes, texts: Namer) -> bytes:
    """The certificate in DER; what cannot be read as one has its names replaced."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    made = der(data, texts, certificate=True)
    try:
        old = x509.load_der_x509_certificate(data)
        key = _new_key(_public(old))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return made
    if key is None:
        return made
    made = made.replace(_public(old), key[1])
    try:
        old.verify_directly_issued_by(old)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return made
    start = data.find(old.tbs_certificate_bytes)
    signed = _signed(key[0], old, made[start : start + len(old.tbs_certificate_bytes)])
    return made if signed is None else made[: -len(old.signature)] + signed


def _public(one: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=256)
def _new_key(public: bytes) -> "tuple[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, bytes] | None":
    """A key in place of this one, and its public half; equal keys have equal ones as long as the program runs. None: of another kind, or not as long."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    old = load_der_public_key(public)
    made: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if isinstance(old, rsa.RSAPublicKey) and old.key_size <= 4096:
        made = rsa.generate_private_key(old.public_numbers().e, old.key_size)
    elif isinstance(old, ec.EllipticCurvePublicKey):
        made = ec.generate_private_key(old.curve)
    else:
        return None
    told = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (made, told) if len(told) == len(public) else None


def _signed(key: "rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey", old: "x509.Certificate", body: bytes) -> bytes | None:
    """The signature over the new body, as long as the old one; None where it cannot be made so."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if old.signature_hash_algorithm is None:
        return None
    if isinstance(key, rsa.RSAPrivateKey):
        if not isinstance(old.signature_algorithm_parameters, padding.PKCS1v15):
            return None
        made = key.sign(body, padding.PKCS1v15(), old.signature_hash_algorithm)
        return made if len(made) == len(old.signature) else None
    for _ in range(_TRIES):
        made = key.sign(body, ec.ECDSA(old.signature_hash_algorithm))
        if len(made) == len(old.signature):
            return made
    return None
