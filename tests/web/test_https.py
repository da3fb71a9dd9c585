"""Behind TLS: redirects and HSTS, and health checks that stay reachable by plain HTTP."""

import os
import subprocess
import sys

import pytest
from django.test import Client
from pytest_django import Settings

from devtools.embedded.shop import PROJECT


def setting(name: str, **variables: str) -> str:
    """Return a Django setting of a process with these variables."""
    return subprocess.run(
        [sys.executable, "-c", f"from seckill import settings; print(settings.{name})"],
        cwd=PROJECT, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()  # fmt: skip


def test_hsts_starts_small_and_is_raised_by_hand() -> None:
    assert setting("SECURE_HSTS_SECONDS") == "0"
    assert setting("SECURE_HSTS_SECONDS", SECKILL_HTTPS="1") == "60"
    assert setting("SECURE_HSTS_SECONDS", SECKILL_HTTPS="1", SECKILL_HSTS_SECONDS="31536000") == "31536000"
    assert setting("SECURE_HSTS_INCLUDE_SUBDOMAINS", SECKILL_HTTPS="1") == "False"
    assert setting("SECURE_HSTS_PRELOAD", SECKILL_HTTPS="1", SECKILL_HSTS_PRELOAD="1") == "True"


def test_redirects_follow_https_unless_set() -> None:
    assert setting("SECURE_SSL_REDIRECT") == "False"
    assert setting("SECURE_SSL_REDIRECT", SECKILL_HTTPS="1") == "True"
    assert setting("SECURE_SSL_REDIRECT", SECKILL_HTTPS="1", SECKILL_SSL_REDIRECT="0") == "False"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_is_asked_by_plain_http(settings: Settings, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get(path).status_code == 200


@pytest.mark.django_db
def test_everything_else_is_redirected(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    answer = Client().get("/login/?next=/orders/")

    assert answer.status_code == 301
    assert answer["Location"] == "https://testserver/login/?next=/orders/"
    assert Client().get("/healthz/more").status_code == 301
