"""A visitor: loads pages during the rush, to measure the effect of the crowd."""

import time
from typing import TYPE_CHECKING, ClassVar

from locust import FastHttpUser, constant, task

if TYPE_CHECKING:
    from loadtest.crowd.crowd import Crowd


class Visitor(FastHttpUser):
    """Opens the sale's page and the banners once a second."""

    crowd: ClassVar["Crowd"]
    fixed_count = 20
    wait_time = constant(1)

    @task
    def look(self) -> None:
        """Load one page with its banners."""
        for path, name in (
            (f"/sales/{self.crowd.options.sale}/", "visitor: sale page"),
            ("/api/banners/", "visitor: banners"),
        ):
            began, clock = time.time(), time.perf_counter()
            self.client.get(path, name=name)
            if self.crowd.visits:
                self.crowd.visits.add(began, (time.perf_counter() - clock) * 1000)
