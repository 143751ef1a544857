"""The way back: a text with pseudonyms, and the names that they stood for."""

import re
from collections.abc import Callable

from analyzer.pseudonyms.keyfile import KeyFile
from analyzer.pseudonyms.words import PIECE, folded, like

_TOKENS = re.compile(r"%[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}|[^\W_]+")


def restorer(key: KeyFile) -> Callable[[str], str]:
    """What gives the names back in a text. Base64 and packets are left as they are."""
    words = {image: word for word, image in key.words.items()}
    addresses = {image: address for address, image in key.addresses.items()}

    def one(found: re.Match[str]) -> str:
        text = found[0]
        if text.lower() in addresses:
            return addresses[text.lower()]
        if ":" in text or text.startswith("%"):
            return text
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        return "".join(like(piece, words.get(folded(piece), folded(piece))) if folded(piece) in words else piece for piece in pieces)

    return lambda text: _TOKENS.sub(one, text)
