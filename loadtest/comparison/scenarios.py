"""The scenarios: number of buyers, units, and the cost of an order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of rush."""

    name: str
    sentence: str  #: description for a report
    buyers: int  #: concurrent buyers
    stock: int
    passes: int  #: how many may buy altogether
    within_seconds: float = 1.0  #: all buyers click within this time
    work_seconds: float = 0.0  #: duration of a slow call that each order needs
    visitors: int = 0  #: visitors who load pages during the rush
    browse: float = 0.0  #: share of buyers who open the page first; all fetch the banners
    pay: float = 1.0  #: share of winners who pay
    duration_seconds: float = 0.0  #: buyers are replaced for this long; 0 = each buyer purchases once


CLASSIC = Scenario(
    name="A",
    sentence=(
        "The classic: 150 buyers click within a second, 100 units, 100 request slots. Every winner's order needs a slow"
        " call of 2 s; all systems may make 100 such calls side by side. Twenty visitors look around meanwhile."
    ),
    buyers=150,
    stock=100,
    passes=150,
    work_seconds=2.0,
    visitors=20,
    browse=1.0,
)
FLASH = Scenario(
    name="B",
    sentence="The flash: 10,000 buyers click within one second, for 100 units.",
    buyers=10_000,
    stock=100,
    passes=10_000,
    browse=0.1,
)
FLOOD = Scenario(
    name="C",
    sentence=(
        "The flood: as many orders as possible. 3,000 buyers at a time, each replaced when through, for 15 seconds;"
        " the stock never ends."
    ),
    buyers=3_000,
    stock=1_000_000,
    passes=80_000,
    pay=0.0,
    duration_seconds=15,
)
SCENARIOS = {scenario.name: scenario for scenario in (CLASSIC, FLASH, FLOOD)}

#: Not compared: a negative control with faults the audit has to find.
CONTROL = Scenario(
    name="control",
    sentence="Negative control: the ledger's guard is switched off, and Redis is wiped in the middle of the sale.",
    buyers=300,
    stock=20,
    passes=300,
    within_seconds=4.0,
    pay=0.0,
)
