"""Signing: turns a short text into an opaque, URL-safe token, and verifies it without any I/O.

A token is the base64 form of a 16-byte keyed BLAKE2b tag (RFC 7693) and the text. Each purpose has its own key, derived
from ``SECRET_KEY``, so a ticket can't be used as a pass. Tokens signed with ``SECRET_KEY_FALLBACKS`` still verify.
"""

import binascii
import hashlib
import hmac

from django.conf import settings

TAG_BYTES = 16  # 128 bits: infeasible to guess
TOKEN_CHARS_MAX = 256

URL_SAFE = bytes.maketrans(b"+/", b"-_")
# The reverse. The characters that only ordinary base64 has become invalid.
ORDINARY = bytes.maketrans(b"-_+/=", b"+/!!!")
PADDING = (b"", b"", b"==", b"=")  # by the length modulo 4, which is never 1
# By the length modulo 4: the last characters whose unused bits (4 or 2) are 0. Others would be a second spelling of the
# same token.
LAST_CHARACTERS: tuple[frozenset[int] | None, ...] = (
    None,
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)


class BadTokenError(ValueError):
    """The token was not signed by this site for this purpose."""


class Signer:
    """Signs and verifies tokens for one purpose. Rejects tokens longer than ``chars_max`` characters."""

    def __init__(self, purpose: str, *, chars_max: int = TOKEN_CHARS_MAX) -> None:
        self._chars_max = chars_max
        keys = [
            hashlib.sha256(f"seckill.{purpose}\0{secret}".encode()).digest()
            for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        ]
        # Copying a keyed state for each token takes half the time of an HMAC, which hashes its key each time.
        self._states = [hashlib.blake2b(key=key, digest_size=TAG_BYTES) for key in keys]

    def sign(self, text: str) -> str:
        """Return a token for ``text``."""
        payload = text.encode()
        state = self._states[0].copy()
        state.update(payload)
        token = binascii.b2a_base64(state.digest() + payload, newline=False)
        return token.translate(URL_SAFE).rstrip(b"=").decode()

    def verify(self, token: str) -> str:
        """Return the text of a token.

        Raises:
            BadTokenError: the token was not signed for this purpose.
        """
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
    """Return the bytes of a token.

    Raises:
        BadTokenError: the token is not spelled as `Signer.sign` spells it.
    """
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
