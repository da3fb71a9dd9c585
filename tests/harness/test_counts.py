"""The counts of the closing line of ``python -m tests``."""

from pathlib import Path

from tests.__main__ import read_counts


def test_each_test_is_counted_once(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    results.write_text(
        '<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="20"/></testsuites>'
    )

    assert read_counts(results) == {"passed": 14, "failed": 2, "error": 1, "skipped": 3}


def test_a_run_without_results_has_no_tests(tmp_path: Path) -> None:
    assert read_counts(tmp_path / "nothing.xml").total() == 0
