"""The bench: wrk's output, and the choices of its command."""

from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT
from loadtest import bench
from loadtest.benchmark import wrk
from loadtest.benchmark.round import MEASUREMENTS

PRINTED = """Running 3s test @ http://127.0.0.1:43737/api/sales/4/purchase
  2 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   712.99ms  421.46ms   2.81s    71.35%
    Req/Sec    56.24     33.83   172.00     70.69%
  Latency Distribution
     50%  {p50}
     75%  908.96ms
     90%    1.23s
     99%  {p99}
  50050 requests in 3.09s, 17.18MB read
{more}Requests/sec:  24891.56
Transfer/sec:     61.92KB
"""


def printed(*, p50: str = "3.35ms", p99: str = "23.61ms", more: str = "") -> str:
    return PRINTED.format(p50=p50, p99=p99, more=more)


def test_wrk_says_how_many_how_fast_and_how_long() -> None:
    assert wrk.parse(printed()) == wrk.Answers(50_050, 24_891.56, 3.35, 23.61, 0, 0)


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("850.00us", 0.85), ("3.35ms", 3.35), ("2.26s ", 2260.0), ("1.50m ", 90_000.0)]
)
def test_latency_comes_in_four_units(text: str, milliseconds: float) -> None:
    assert wrk.parse(printed(p99=text)).p99_ms == pytest.approx(milliseconds)


def test_answers_of_400_and_more_have_failed() -> None:
    answers = wrk.parse(printed(more="  Non-2xx or 3xx responses: 17\n"))
    assert (answers.refused, answers.broken, answers.failed) == (17, 0, 17)


def test_broken_connections_and_timeouts_have_failed_too() -> None:
    more = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n"
    answers = wrk.parse(printed(more=more))
    assert (answers.refused, answers.broken, answers.failed) == (50_000, 4_321, 54_321)


def test_no_number_is_made_up_where_wrk_printed_none() -> None:
    with pytest.raises(wrk.WrkError, match="no latency at 99%"):
        wrk.parse(printed(p99="-nan"))
    with pytest.raises(wrk.WrkError, match="Requests/sec"):
        wrk.parse(printed().replace("Requests/sec", "Requests"))


def test_passes_that_ran_out_are_no_measurement() -> None:
    with pytest.raises(wrk.WrkError, match="passes ran out"):
        wrk.parse(f"{printed()}The passes ran out.\n")


def test_without_wrk_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench.main() == 2
    assert capsys.readouterr().err == (
        "The load generator wrk is not installed: apt install wrk, or brew install wrk,"
        " or build it from https://github.com/wg/wrk.\n"
    )


def test_three_rounds_of_three_seconds_unless_told_otherwise() -> None:
    choice = bench.choose({})
    assert (choice.rounds, choice.seconds, choice.ledger, choice.million, choice.count) == (
        3,
        3,
        "postgres",
        False,
        1_000_000,
    )
    assert (choice.rows, choice.baseline) == (tuple(MEASUREMENTS), "")
    assert choice.var == PROJECT / "var"


def test_rows_are_taken_in_their_own_order_whatever_the_order_asked() -> None:
    assert bench.choose({"ROWS": "pass, accept,"}).rows == ("accept", "pass")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ROUNDS", "0", "ROUNDS has to be a whole number of 1 or more, not '0'."),
        ("ROUNDS", "three", "ROUNDS has to be a whole number of 1 or more, not 'three'."),
        ("ROWS", "accept,speed", f"ROWS: there is no 'speed'. Choose from {', '.join(MEASUREMENTS)}."),
        ("BASELINE", "no-such", "BASELINE has to be a revision that git knows here, not 'no-such'."),
        ("SECONDS", "0", "SECONDS has to be a whole number of 1 or more, not '0'."),
        ("COUNT", "-5", "COUNT has to be a whole number of 1 or more, not '-5'."),
        ("LEDGER", "oracle", "LEDGER has to be postgres or sqlite, not 'oracle'."),
    ],
)
def test_what_is_not_offered_is_refused(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert bench.main() == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_the_command_is_told_with_its_choices() -> None:
    environment = {"PATH": "/bin", "COUNT": "2000", "MILLION": "1", "BASELINE": "v1"}
    assert bench.command(environment) == "make bench BASELINE=v1 MILLION=1 COUNT=2000"
    assert bench.command({}) == "make bench"
