"""The cluster, started once for its tests."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.cluster import HOSTS, PARTS, Cluster
from tests.cluster.network import Network, NoNetworkError
from tests.machine import lacks


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A running cluster. Where network namespaces are impossible the tests are skipped; in CI they fail."""
    with ExitStack() as stack:
        try:
            network = stack.enter_context(Network(HOSTS))
        except NoNetworkError as error:
            lacks(f"NO HOSTS, SO NOTHING WAS TESTED ON SEVERAL: {error}")
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seckill-cluster-")))
        directory.chmod(0o755)  # PostgreSQL runs as another user and needs to read the directory
        cluster = Cluster(network, directory)
        stack.callback(cluster.close)
        stack.callback(_show, cluster)
        cluster.open()
        yield cluster


def _show(cluster: Cluster) -> None:
    for host in cluster.hosts.values():
        for part in PARTS:
            print(f"--- {host.name} {part}\n{host.log(part)[-3000:]}")
