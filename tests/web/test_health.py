"""Health: liveness, readiness and metrics."""

import pytest
from django.test import Client


def test_a_living_process_is_healthy_without_any_server(client: Client) -> None:
    answer = client.get("/healthz")  # a test without the database fixture must not query

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_process_that_reaches_its_servers_is_ready(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "redis": "ok", "database": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.usefixtures("_redis_is_away")
def test_without_redis_it_is_not_ready(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "not ready", "redis": "unreachable", "database": "ok"},
    )
    assert client.get("/healthz").status_code == 200  # the process is alive: a restart would not help


@pytest.mark.usefixtures("_database_is_away")
def test_without_the_ledger_it_is_not_ready(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "not ready", "redis": "ok", "database": "unreachable"},
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_read_not_posted(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_metrics_count_requests_by_view(client: Client) -> None:
    client.get("/healthz")

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert "django_http_requests_total_by_view_transport_method_total" in answer.content.decode()
    assert 'view="seckill.monitoring.health.healthz"' in answer.content.decode()
