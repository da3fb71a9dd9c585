"""Who may: buyers, and those who hold a pass."""

from rest_framework import permissions
from rest_framework.request import Request
from rest_framework.views import APIView

from seckill.line.passes import Pass
from seckill.web.authentication import BadPassError


class IsBuyer(permissions.BasePermission):
    """Logged in, or holding a pass."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Whether there is anybody whose orders could be meant."""
        return isinstance(request.auth, Pass) or request.user.is_authenticated


class HasPass(permissions.BasePermission):
    """Holding a pass."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """True; raises BadPassError for a request without a pass, as the gate answers it."""
        if not isinstance(request.auth, Pass):
            raise BadPassError("Send it as 'Authorization: Bearer PASS'.")
        return True
