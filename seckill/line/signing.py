"""Signing: short text in, an opaque URL-safe string out, and back without any I/O.

The string is the base64 form of a 16-byte keyed BLAKE2b tag (RFC 7693) and the text. Each purpose has a key of its own,
derived from ``SECRET_KEY``, so a ticket can never be used as a pass. Keys in ``SECRET_KEY_FALLBACKS`` still verify.
"""

import binascii
import hashlib
import hmac

from django.conf import settings

TAG_BYTES = 16  # 128 bits: nobody guesses one
TOKEN_CHARS_MAX = 256

URL_SAFE = bytes.maketrans(b"+/", b"-_")
# Back again; what stands for itself in ordinary base64 stands for nothing here.
ORDINARY = bytes.maketrans(b"-_+/=", b"+/!!!")
PADDING = (b"", b"", b"==", b"=")  # by the length modulo 4; no token has 1 character more than a multiple
# The last character holds 2 or 4 bits of its own; with others set it would be a second spelling of the same token.
LAST_CHARACTERS: tuple[frozenset[int] | None, ...] = (
    None,
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)


class BadTokenError(ValueError):
    """Not a string that this site signed for this purpose."""


class Signer:
    """Signs and verifies for one purpose; what is longer than ``chars_max`` is not even looked at."""

    def __init__(self, purpose: str, *, chars_max: int = TOKEN_CHARS_MAX) -> None:
        self._chars_max = chars_max
        keys = [
            hashlib.sha256(f"seckill.{purpose}\0{secret}".encode()).digest()
            for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        ]
        # A keyed state is copied for each token: half the time of an HMAC, which hashes its key anew.
        self._states = [hashlib.blake2b(key=key, digest_size=TAG_BYTES) for key in keys]

    def sign(self, text: str) -> str:
        """The token of ``text``."""
        payload = text.encode()
        state = self._states[0].copy()
        state.update(payload)
        token = binascii.b2a_base64(state.digest() + payload, newline=False)
        return token.translate(URL_SAFE).rstrip(b"=").decode()

    def verify(self, token: str) -> str:
        """The text that was signed. Raises BadTokenError."""
        if len(token) > self._chars_max:
            raise BadTokenError("too long")
        blob = _decode(token)
        tag, payload = blob[:TAG_BYTES], blob[TAG_BYTES:]
        for signed in self._states:
            state = signed.copy()
            state.update(payload)
            if hmac.compare_digest(state.digest(), tag):
                return payload.decode()
        raise BadTokenError("not signed here")


def _decode(token: str) -> bytes:
    """The bytes of a token. Raises BadTokenError for whatever `Signer.sign` would spell in another way."""
    if not token or not token.isascii():
        raise BadTokenError("empty, or not ASCII")
    text = token.encode()
    rest = len(text) % 4
    last = LAST_CHARACTERS[rest]
    if last is not None and text[-1] not in last:
        raise BadTokenError("not canonical base64")
    try:
        return binascii.a2b_base64(text.translate(ORDINARY) + PADDING[rest], strict_mode=True)
    except binascii.Error as error:
        raise BadTokenError("not base64") from error
