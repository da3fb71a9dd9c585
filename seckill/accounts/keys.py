"""Every Redis key of the logins. They share the hash tag ``{logins}``: one Lua script may touch all on a cluster too."""

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """The key names of what is stored about login cookies. Scripts get all, in this order (``lua/logins.lua``)."""

    revocations: (
        str  #: hash: buyer -> the only auth hash that is valid, '' = none; login id -> '' = that login has ended
    )
    revoked_at: str  #: sorted set: each field of ``revocations`` by when it was written (ms), so that it can be deleted
    pass_counts: str  #: hash: buyer -> passes issued in this window; '' -> the number of the window

    def all(self) -> list[str]:
        """In the order of the fields."""
        return list(astuple(self))


LOGIN_KEYS = LoginKeys(
    revocations="{logins}:revocations",
    revoked_at="{logins}:revoked_at",
    pass_counts="{logins}:pass_counts",  # noqa: S106 (a key of Redis)
)
