"""Permissions: buyers, holders of a pass, and staff."""

from rest_framework import permissions
from rest_framework.request import Request
from rest_framework.views import APIView

from seckill.api.authentication import BadPassError
from seckill.line.passes import Pass


class IsBuyer(permissions.BasePermission):
    """Allow callers that are logged in or have a pass."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Return whether the request identifies a buyer."""
        return isinstance(request.auth, Pass) or request.user.is_authenticated


class HasPass(permissions.BasePermission):
    """Allow callers with a pass."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Return True if the request has a pass.

        Raises:
            BadPassError: It has none. The gate responds with the same problem.
        """
        if not isinstance(request.auth, Pass):
            raise BadPassError("Send the pass as 'Authorization: Bearer PASS'.")
        return True


class CanViewOrders(permissions.BasePermission):
    """Allow staff with the permission to view orders."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Return whether the caller is such staff. If not, DRF responds 401 without a login, else 403."""
        return bool(request.user.is_staff and request.user.has_perm("orders.view_order"))
