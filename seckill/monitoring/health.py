"""Health endpoints: liveness and readiness."""

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from seckill.line.line import get_line


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 (a view)
    """Return 200 while the process runs."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 (a view)
    """Return 200 if Redis and the database answer, else 503 with the state of each."""
    checks = {"redis": "ok", "database": "ok"}
    try:
        get_line().client.ping()
    except redis.RedisError:
        checks["redis"] = "unreachable"
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        checks["database"] = "unreachable"
    ready = set(checks.values()) == {"ok"}
    return JsonResponse({"status": "ready" if ready else "not ready", **checks}, status=200 if ready else 503)
