"""The runs of a comparison in the order in which they were made."""

from loadtest.comparison.result import Comparison, Run


def scenarios_of(comparison: Comparison) -> list[str]:
    """Return the names of the scenarios."""
    return list(dict.fromkeys([*comparison.scenarios, *(run.scenario for run in comparison.runs)]))


def systems_of(comparison: Comparison) -> list[str]:
    """Return the names of the systems."""
    return list(dict.fromkeys([*comparison.systems, *(run.system for run in comparison.runs)]))


def runs_in(comparison: Comparison, scenario: str) -> list[Run]:
    """Return the runs of a scenario."""
    systems = systems_of(comparison)
    runs = [run for run in comparison.runs if run.scenario == scenario]
    return sorted(runs, key=lambda run: systems.index(run.system))


def runs_of(comparison: Comparison) -> list[Run]:
    """Return all runs."""
    return [run for scenario in scenarios_of(comparison) for run in runs_in(comparison, scenario)]
