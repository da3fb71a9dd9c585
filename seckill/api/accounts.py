"""Account API: register, log in, log out, current account.

Register and login need no CSRF token, because they accept JSON only: a page of another site can't send JSON without a
CORS preflight request, which fails here. Every call that uses a session does need a token.
"""

from typing import Any

from django.contrib.auth import authenticate, login, logout, password_validation
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from seckill.accounts.logins import account_json
from seckill.accounts.models import User
from seckill.accounts.usernames import USERNAME_CHARS_MAX
from seckill.api.exceptions import ProblemError
from seckill.errors.problems import Problem

NAME_TAKEN = _("This name is already in use.")


class AccountSerializer(serializers.Serializer[Any]):
    """The account as its owner sees it."""

    username = serializers.CharField()


class RegisterApi(APIView):
    """Create an account and log in."""

    authentication_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "register"

    @extend_schema_serializer(component_name="Registration")
    class InputSerializer(serializers.Serializer[Any]):
        """User name and password of the new account."""

        username = serializers.CharField(max_length=USERNAME_CHARS_MAX)
        password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)

        def validate_username(self, value: str) -> str:
            """Return the normalised name. Reject one that is not allowed, or taken in whatever spelling."""
            try:
                name: str = User._meta.get_field("username").clean(value, None)  # noqa: SLF001 (Django documents it)
            except ValidationError as error:
                raise serializers.ValidationError(error.messages) from error
            if User.objects.filter(username=name).exists():
                raise serializers.ValidationError(NAME_TAKEN)
            return name

        def validate(self, attrs: dict[str, str]) -> dict[str, str]:
            """Apply Django's password rules."""
            try:
                password_validation.validate_password(attrs["password"], User(username=attrs["username"]))
            except ValidationError as error:
                raise serializers.ValidationError({"password": error.messages}) from error
            return attrs

    @extend_schema(request=InputSerializer, responses={201: AccountSerializer}, operation_id="register")
    def post(self, request: Request) -> Response:
        """Create an account and log in.

        Return 201 with a session cookie, or 400 ``invalid`` with the errors by field.
        """
        fields = self.InputSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        user = User(username=fields.validated_data["username"])
        user.set_password(fields.validated_data["password"])  # slow, so it runs before the transaction
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError as error:  # a concurrent request took the name
            raise serializers.ValidationError({"username": [NAME_TAKEN]}) from error
        login(request._request, user, backend="django.contrib.auth.backends.ModelBackend")  # noqa: SLF001 (DRF's way to Django's request)
        return Response(account_json(user.get_username()), status=status.HTTP_201_CREATED)


class LoginApi(APIView):
    """Log in."""

    authentication_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"

    @extend_schema_serializer(component_name="Login")
    class InputSerializer(serializers.Serializer[Any]):
        """User name and password."""

        username = serializers.CharField(max_length=USERNAME_CHARS_MAX)
        password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)

    @extend_schema(request=InputSerializer, responses=AccountSerializer, operation_id="login")
    def post(self, request: Request) -> Response:
        """Log in. Return 200 with a session cookie, or 401 ``bad_credentials``."""
        fields = self.InputSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        user = authenticate(request._request, **fields.validated_data)  # noqa: SLF001 (as above)
        if user is None:
            raise ProblemError(Problem.BAD_CREDENTIALS)
        login(request._request, user)  # noqa: SLF001 (as above)
        return Response(account_json(user.get_username()))


class LogoutApi(APIView):
    """Log out."""

    @extend_schema(request=None, responses={204: None}, operation_id="logout")
    def post(self, request: Request) -> Response:
        """Log out. Return 204, even if the caller was not logged in."""
        logout(request._request)  # noqa: SLF001 (as above)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeApi(APIView):
    """The account of the caller."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=AccountSerializer, operation_id="me")
    def get(self, request: Request) -> Response:
        """Return the logged-in account, or 401. Pages are the same for every visitor, so their scripts call this."""
        return Response(account_json(request.user.get_username()), headers={"Cache-Control": "no-store"})
