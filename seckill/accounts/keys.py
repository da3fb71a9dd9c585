"""All Redis keys of logins. The shared hash tag ``{logins}`` lets one Lua script use all of them on a cluster."""

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """Key names of the data about login cookies. Scripts receive all of them, in this order (``lua/logins.lua``)."""

    revocations: str  #: hash: buyer -> the only valid auth hash, '' = none; login id -> '' = the login is revoked
    revoked_at: str  #: sorted set: field of ``revocations`` by time of writing (ms), to delete old entries
    pass_counts: str  #: hash: buyer -> passes issued in this window; '' -> number of the window

    def all(self) -> list[str]:
        """Return the keys in the order of the fields."""
        return list(astuple(self))


LOGIN_KEYS = LoginKeys(
    revocations="{logins}:revocations",
    revoked_at="{logins}:revoked_at",
    pass_counts="{logins}:pass_counts",  # noqa: S106 (a Redis key)
)
