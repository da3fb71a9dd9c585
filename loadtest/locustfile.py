"""``locust -f loadtest/locustfile.py --host http://127.0.0.1:8000``: a crowd for any shop."""

from pathlib import Path
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtest.crowd.buyer import Buyer
from loadtest.crowd.connections import keep_connections
from loadtest.crowd.crowd import Crowd
from loadtest.crowd.shapes import Shape
from loadtest.crowd.visitor import Visitor

__all__ = ["Buyer", "Shape", "Visitor"]


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add the crowd's options to the command line and the web UI."""
    parser.add_argument("--sale", type=int, default=1, help="number of the sale (1)")
    parser.add_argument(
        "--passes", default="", help="file with a pass a line (manage.py issue_passes), else they register"
    )
    parser.add_argument("--shape", choices=["flash", "soak", "ramp"], default="flash", help="how many buyers, and when")
    parser.add_argument("--duration", type=float, default=0, help="soak: nobody new comes after so many seconds")
    parser.add_argument("--within", type=float, default=1.0, help="everybody clicks within so many seconds (1)")
    parser.add_argument("--patience", type=float, default=120, help="seconds after which a buyer gives up (120)")
    parser.add_argument("--browse", type=float, default=1.0, help="share of buyers who open the sale's page first (1)")
    parser.add_argument("--pay", type=float, default=0.9, help="share of winners who pay (0.9)")
    parser.add_argument("--sync", action="store_true", default=False, help="buy inside the request: purchase/sync")
    parser.add_argument("--records", default="", include_in_web_ui=False, help="directory for a file of all purchases")


@events.init.add_listener
def gather(environment: Environment, **_: Any) -> None:  # noqa: ANN401 (Locust's)
    """Create the data the buyers of this process share."""
    keep_connections()
    Buyer.crowd = Visitor.crowd = Crowd(environment)
    for user in (
        Buyer,
        Visitor,
    ):  # a late response is measured; one given up too early would be missing from the figures
        user.network_timeout = user.connection_timeout = 3 * Buyer.crowd.options.patience


@events.test_start.add_listener
def hand_out_passes(environment: Environment, **_: Any) -> None:  # noqa: ANN401 (Locust's)
    """Distribute the passes to the buyers."""
    if Buyer.crowd.options.passes and not isinstance(environment.runner, WorkerRunner):
        Buyer.crowd.passes.share(environment, Path(Buyer.crowd.options.passes))


@events.quitting.add_listener
def close(**_: Any) -> None:  # noqa: ANN401 (Locust's)
    """Write the results."""
    Buyer.crowd.close()
