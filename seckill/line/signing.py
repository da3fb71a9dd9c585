"""Signing: short text in, an opaque URL-safe string out, and back without any I/O.

The string is the base64 form of a 16-byte HMAC-SHA256 tag and the text. Each purpose has a key of its own, derived from
``SECRET_KEY``, so a ticket can never be used as a pass. Keys in ``SECRET_KEY_FALLBACKS`` still verify.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from django.conf import settings

TAG_BYTES = 16  # 128 bits: nobody guesses one
TOKEN_CHARS_MAX = 256


class BadTokenError(ValueError):
    """Not a string that this site signed for this purpose."""


class Signer:
    """Signs and verifies for one purpose; what is longer than ``chars_max`` is not even looked at."""

    def __init__(self, purpose: str, *, chars_max: int = TOKEN_CHARS_MAX) -> None:
        self._chars_max = chars_max
        self._keys = [
            hashlib.sha256(f"seckill.{purpose}\0{secret}".encode()).digest()
            for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        ]

    def sign(self, text: str) -> str:
        """The token of ``text``."""
        payload = text.encode()
        tag = hmac.digest(self._keys[0], payload, "sha256")[:TAG_BYTES]
        return urlsafe_b64encode(tag + payload).rstrip(b"=").decode()

    def verify(self, token: str) -> str:
        """The text that was signed. Raises BadTokenError."""
        if len(token) > self._chars_max:
            raise BadTokenError("too long")
        try:
            blob = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise BadTokenError("not base64") from error
        if urlsafe_b64encode(blob).rstrip(b"=").decode() != token:  # one spelling only: no two addresses for one ticket
            raise BadTokenError("not canonical base64")
        tag, payload = blob[:TAG_BYTES], blob[TAG_BYTES:]
        for key in self._keys:
            if hmac.compare_digest(hmac.digest(key, payload, "sha256")[:TAG_BYTES], tag):
                return payload.decode()
        raise BadTokenError("not signed here")
