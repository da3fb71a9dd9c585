"""Login commands on the real server: revocation and pass limits, with exact numbers."""

from typing import cast

import pytest
from msgspec.structs import replace
from pytest_django import Settings

from seckill.accounts import login_commands as login_verbs
from seckill.accounts.keys import LOGIN_KEYS
from seckill.accounts.login_commands import (
    ISSUE_BATCH_MAX,
    IssueResult,
    PassResult,
    count_pass,
    find_revoked,
    issue_passes,
    revoke_login,
    set_auth_hash,
)
from seckill.accounts.logins import Login, login_id_of
from seckill.line.line import Line, open_async_line
from seckill.rate import Rate

ISSUED, VOID, TOO_MANY = PassResult.ISSUED, PassResult.REVOKED, PassResult.TOO_MANY
AGES = 4_000_000_000  # seconds: a window that ends in 2096
OFTEN = Rate(limit=60, window_seconds=AGES)
HOUR_MS = 3_600_000


def login(buyer: str, session: str = "", auth_hash: str = "auth_hash-of-old") -> Login:
    """Return a login of this buyer by a session, of an account with this auth hash."""
    return Login(
        buyer, login_id_of(session or f"session of {buyer}"), auth_hash, 1_764_000_000_000, f"{buyer}@shop.example"
    )


ANN, BEN, CLEO = login("u1"), login("u2"), login("u3")


def known(line: Line) -> dict[str, str]:
    """Return what Redis stores about revoked sessions and changed accounts; both keys must have the same members."""
    marks = cast("dict[str, str]", line.client.hgetall(LOGIN_KEYS.revocations))
    assert set(line.client.zrange(LOGIN_KEYS.revoked_at, 0, -1)) == set(marks)
    return marks


def remember(line: Line, written_ms: int, *members: str) -> None:
    """Store revocations as if made at that time."""
    for start in range(0, len(members), 1000):
        part = members[start : start + 1000]
        line.client.hset(LOGIN_KEYS.revocations, mapping=dict.fromkeys(part, ""))
        line.client.zadd(LOGIN_KEYS.revoked_at, dict.fromkeys(part, written_ms))


def now_ms(line: Line) -> int:
    """Return the server's time."""
    seconds, microseconds = line.client.time()
    return seconds * 1000 + microseconds // 1000


# --- revoked logins -------------------------------------------------------------------------------------------------


def test_a_login_that_is_not_in_redis_is_valid(line: Line) -> None:
    assert line.run(find_revoked([ANN, BEN])) == [False, False]
    assert line.run(find_revoked([])) == []
    assert line.client.keys() == []  # a check writes nothing


def test_a_login_that_ended_is_void_and_no_other_one_of_the_same_buyer(line: Line) -> None:
    phone = login("u1", "ann's phone")

    assert line.run(revoke_login(ANN.login_id)) == 1

    assert line.run(find_revoked([phone, ANN, BEN])) == [False, True, False]


def test_a_cookie_that_comes_after_its_login_ended_is_void_too(line: Line) -> None:
    """A response that was under way during the logout may still set the cookie."""
    line.run(revoke_login(ANN.login_id))

    assert line.run(find_revoked([replace(ANN, issued_ms=9_999_999_999_999)])) == [True]


def test_of_a_changed_account_only_logins_with_the_new_auth_hash_are_valid(line: Line) -> None:
    line.run(set_auth_hash("u1", "auth_hash-of-now"))

    now = login("u1", auth_hash="auth_hash-of-now")
    assert line.run(find_revoked([ANN, now, BEN, login("u1", "another"), login("u11")])) == [
        True, False, False, True, False
    ]  # fmt: skip


def test_no_clock_decides_so_a_login_in_the_very_millisecond_of_a_change_is_as_good_as_any(line: Line) -> None:
    for round_ in range(50):
        auth_hash = f"auth_hash-{round_}"
        line.run(set_auth_hash("u1", auth_hash))
        assert line.run(
            find_revoked([login("u1", auth_hash=auth_hash), login("u1", auth_hash=f"auth_hash-{round_ - 1}")])
        ) == [
            False,
            True,
        ]


def test_the_last_word_about_an_account_holds(line: Line) -> None:
    for auth_hash in ("first", "", "last"):
        line.run(set_auth_hash("u1", auth_hash))

    assert known(line) == {"u1": "last"}


def test_an_account_that_is_closed_has_no_valid_login_and_opened_again_its_old_ones(line: Line) -> None:
    line.run(set_auth_hash("u1", ""))
    assert line.run(find_revoked([ANN, login("u1", auth_hash="auth_hash-of-now")])) == [True, True]

    line.run(set_auth_hash("u1", ANN.auth_hash))
    assert line.run(find_revoked([ANN])) == [False]


def test_a_new_password_does_not_bring_an_ended_login_back(line: Line) -> None:
    line.run(revoke_login(ANN.login_id))
    line.run(set_auth_hash("u1", "auth_hash-of-now"))

    assert line.run(find_revoked([replace(ANN, auth_hash="auth_hash-of-now")])) == [True]


def test_ending_twice_is_ending_once(line: Line) -> None:
    for _ in range(2):
        assert line.run(revoke_login(ANN.login_id)) == 1
    for _ in range(2):
        assert line.run(set_auth_hash("u1", "auth_hash-of-now")) == 2

    assert known(line) == {ANN.login_id: "", "u1": "auth_hash-of-now"}


def test_a_thousand_are_answered_at_once_each_in_its_place(line: Line) -> None:
    crowd = [login(f"u{number}") for number in range(ISSUE_BATCH_MAX)]
    for number in range(0, ISSUE_BATCH_MAX, 7):
        line.run(revoke_login(crowd[number].login_id))

    expected = [number % 7 == 0 for number in range(ISSUE_BATCH_MAX)]
    assert line.run(find_revoked(crowd)) == expected
    assert line.run(issue_passes(crowd, OFTEN)).results == [VOID if ended else ISSUED for ended in expected]


async def test_the_gate_s_line_answers_the_same() -> None:
    line = open_async_line()
    try:
        await line.run(revoke_login(ANN.login_id))
        assert await line.run(find_revoked([ANN, BEN])) == [True, False]
        assert (await line.run(issue_passes([ANN, BEN], OFTEN))).results == [VOID, ISSUED]
    finally:
        await line.client.aclose()


# --- retention ------------------------------------------------------------------------------------------------------


def test_what_no_cookie_needs_any_more_is_deleted_at_the_next_write(line: Line) -> None:
    moment = now_ms(line)
    remember(line, moment - 2 * HOUR_MS - 1, "too old")
    remember(line, moment - 2 * HOUR_MS + 60_000, "not yet")

    assert line.run(revoke_login(ANN.login_id)) == 2

    assert known(line) == {"not yet": "", ANN.login_id: ""}


def test_it_is_remembered_for_longer_than_a_cookie_lives(line: Line, settings: Settings) -> None:
    settings.LOGIN_COOKIE_SECONDS = 100
    line.run(revoke_login(ANN.login_id))

    for key in (LOGIN_KEYS.revocations, LOGIN_KEYS.revoked_at):
        assert 190_000 < line.client.pttl(key) <= 200_000  # the key itself expires once there are no more logouts


def test_a_write_deletes_a_thousand_at_most(line: Line) -> None:
    remember(line, 1, *(f"old-{number}" for number in range(2500)))

    left = [line.run(revoke_login(ANN.login_id)) for _ in range(3)]

    assert left == [1501, 501, 1]
    assert known(line) == {ANN.login_id: ""}


def test_there_is_a_limit_and_beyond_it_the_oldest_go(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_verbs, "REVOCATIONS_MAX", 3)
    moment = now_ms(line)
    for age_ms, member in ((5000, "first"), (4000, "second"), (3000, "third")):
        remember(line, moment - age_ms, member)

    assert line.run(revoke_login("fourth")) == 3
    assert set(known(line)) == {"second", "third", "fourth"}
    assert line.run(revoke_login("second")) == 3  # written again, it is the newest
    assert line.run(revoke_login("fifth")) == 3
    assert set(known(line)) == {"second", "fourth", "fifth"}


# --- pass limits ----------------------------------------------------------------------------------------------------


def counts(line: Line) -> dict[str, str]:
    """Return the passes issued in this window, by buyer."""
    passes = cast("dict[str, str]", line.client.hgetall(LOGIN_KEYS.pass_counts))
    passes.pop("", None)
    return passes


def test_each_buyer_gets_as_many_as_the_limit_allows(line: Line) -> None:
    rate = Rate(limit=2, window_seconds=AGES)

    answers = [line.run(issue_passes([ANN, BEN], rate)).results for _ in range(2)]
    answers.append(line.run(issue_passes([ANN, CLEO], rate)).results)

    assert answers == [[ISSUED, ISSUED], [ISSUED, ISSUED], [TOO_MANY, ISSUED]]
    assert counts(line) == {"u1": "2", "u2": "2", "u3": "1"}


def test_a_buyer_who_is_in_a_batch_several_times_is_counted_each_time(line: Line) -> None:
    rate = Rate(limit=3, window_seconds=AGES)
    phone = login("u1", "ann's phone")

    assert line.run(issue_passes([ANN, phone, BEN, ANN, phone], rate)).results == [
        ISSUED, ISSUED, ISSUED, ISSUED, TOO_MANY
    ]  # fmt: skip
    assert counts(line) == {"u1": "3", "u2": "1"}


def test_who_is_void_gets_none_and_is_not_counted(line: Line) -> None:
    line.run(revoke_login(ANN.login_id))
    line.run(set_auth_hash("u2", "auth_hash-of-now"))

    assert line.run(issue_passes([ANN, BEN, CLEO], OFTEN)).results == [VOID, VOID, ISSUED]
    assert line.run(issue_passes([ANN, BEN], OFTEN)).results == [VOID, VOID]
    assert counts(line) == {"u3": "1"}


def test_whose_session_was_looked_up_is_counted_with_the_others_whatever_redis_thinks(line: Line) -> None:
    rate = Rate(limit=2, window_seconds=AGES)
    line.run(set_auth_hash("u1", ""))

    assert line.run(count_pass("u1", rate)).results == [ISSUED]
    line.run(set_auth_hash("u1", ANN.auth_hash))
    assert line.run(issue_passes([ANN, ANN], rate)).results == [ISSUED, TOO_MANY]
    assert line.run(count_pass("u1", rate)).results == [TOO_MANY]


def test_a_new_window_begins_at_nought(line: Line) -> None:
    rate = Rate(limit=1, window_seconds=AGES)
    line.run(issue_passes([ANN, BEN], rate))
    assert line.client.hget(LOGIN_KEYS.pass_counts, "") == "0"
    line.client.hset(LOGIN_KEYS.pass_counts, "", "-1")  # as if issued in the previous window

    assert line.run(issue_passes([ANN], rate)).results == [ISSUED]
    assert counts(line) == {"u1": "1"}
    assert line.run(issue_passes([ANN, BEN], rate)).results == [TOO_MANY, ISSUED]


def test_windows_are_those_of_redis_clock(line: Line) -> None:
    before, _ = line.client.time()
    issued = line.run(issue_passes([ANN], OFTEN))
    after, _ = line.client.time()

    assert issued.results == [ISSUED]
    assert AGES - after <= issued.retry_after_seconds <= AGES - before


def test_counts_go_by_themselves_when_nobody_asks_any_more(line: Line) -> None:
    line.run(issue_passes([ANN], Rate(limit=60, window_seconds=1000)))

    assert 990_000 < line.client.pttl(LOGIN_KEYS.pass_counts) <= 1_000_000


def test_a_batch_in_which_nobody_is_counted_writes_nothing(line: Line) -> None:
    line.run(revoke_login(ANN.login_id))

    assert line.run(issue_passes([ANN], OFTEN)).results == [VOID]
    assert line.run(issue_passes([], OFTEN)).results == []
    assert not line.client.exists(LOGIN_KEYS.pass_counts)


def test_a_lost_reply_that_is_asked_for_again_costs_one_of_the_window_s_passes(line: Line) -> None:
    command = issue_passes([ANN, BEN], OFTEN)

    assert [line.run(command).results for _ in range(2)] == [[ISSUED, ISSUED]] * 2

    assert counts(line) == {"u1": "2", "u2": "2"}


def test_every_answer_has_a_name() -> None:
    assert {answer.name: answer.value for answer in PassResult} == {"ISSUED": 1, "REVOKED": 0, "TOO_MANY": -1}
    assert IssueResult([ISSUED], 1).results == [1]
