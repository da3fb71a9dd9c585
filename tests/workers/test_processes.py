"""One process layout: Procfile, docker-compose.yml, deploy/prometheus.yml and docs/reference/processes.md agree."""

import re
from typing import Any

import yaml

from devtools.embedded.shop import PROCESSES, PROJECT

COMPOSE: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
CELERY = {name: arguments for name, arguments in PROCESSES.items() if "celery" in arguments}
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")  # ${NAME:-default}


def options(command: list[str]) -> list[str]:
    """Return what follows ``worker`` or ``beat``: --name=value split, variables replaced by their defaults."""
    words = [part for word in command for part in DEFAULT.sub(r"\1", word).split("=", 1)]
    return words[next(index for index, word in enumerate(words) if word in {"worker", "beat"}) :]


def test_compose_runs_the_processes_of_the_procfile() -> None:
    assert set(PROCESSES) <= set(COMPOSE)
    for name, arguments in CELERY.items():
        assert options(COMPOSE[name]["command"]) == options(list(arguments)), name


def test_prometheus_scrapes_every_worker_and_beat_at_the_port_that_compose_sets() -> None:
    scraping = yaml.safe_load((PROJECT / "deploy/prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraping["scrape_configs"]}
    ports = {name: COMPOSE[name].get("environment", {}).get("SECKILL_METRICS_PORT") for name in CELERY}

    assert targets == {"web": ["web:8000"], "work": [f"{name}:{port}" for name, port in ports.items()]}


def test_the_reference_describes_every_process_and_its_queues() -> None:
    section = (PROJECT / "docs/reference/processes.md").read_text().split("## Processes")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| (\w+) \| .* \| `(.+)` \|$", section, re.MULTILINE))

    assert set(rows) == set(PROCESSES)
    for name, arguments in CELERY.items():
        if "--queues" in arguments:
            assert rows[name].endswith(f"-Q {arguments[arguments.index('--queues') + 1]}")
