"""Who may: buyers, those who hold a pass, and staff."""

from rest_framework import permissions
from rest_framework.request import Request
from rest_framework.views import APIView

from seckill.api.authentication import BadPassError
from seckill.line.passes import Pass


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


class CanViewOrders(permissions.BasePermission):
    """Staff who may see orders."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Whether the caller is one of them; who is not logged in is answered 401."""
        return bool(request.user.is_staff and request.user.has_perm("orders.view_order"))
