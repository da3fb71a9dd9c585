"""Logins at the gate: /api/auth/me and passes by the login cookie. All other cases are forwarded to Django."""

import time
from collections.abc import Mapping

import pytest
import redis
from pytest_django import Settings

from devtools.waiting import wait_until_async
from seckill.accounts.login_commands import revoke_login, set_auth_hash
from seckill.accounts.logins import Login, login_id_of
from seckill.gate import snapshots
from seckill.line.passes import Pass
from seckill.rate import Rate
from tests.gate.gate_server import (
    HOUR_MS,
    GateServer,
    held,
    hold_writes,
    open_gate_server,
    problem,
    release_writes,
    reset_call_counts,
    script_calls,
)
from tests.gate.wire import Answered
from tests.line.conftest import LoadSale

TOKEN = "t" * 32
SESSION = "s" * 32
MARK = "m" * 16
PASS = "/api/sales/7/pass"
ME = "/api/auth/me"


def login(buyer: str = "u17", *, session: str = SESSION, age_s: float = 0, username: str = "Zoë") -> Login:
    return Login(buyer, login_id_of(session), MARK, int((time.time() - age_s) * 1000), username)


def cookies(value: str | Login, *, session: str = SESSION, token: str = TOKEN) -> str:
    signed = value.sign() if isinstance(value, Login) else value
    return f"csrftoken={token}; sessionid={session}; buyer={signed}"


async def ask_pass(gate_server: GateServer, cookie: str, headers: Mapping[str, str] | None = None) -> Answered:
    return await gate_server.request("POST", PASS, {"cookie": cookie, "x-csrftoken": TOKEN, **(headers or {})})


async def ask_me(gate_server: GateServer, cookie: str) -> Answered:
    return await gate_server.request("GET", ME, {"cookie": cookie})


# --- Passes ---------------------------------------------------------------------------------------------------------


async def test_a_login_cookie_gets_a_pass_that_buys(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()
    snapshot = sale.snapshot()

    response = await ask_pass(gate_server, cookies(login("u17")))

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert set(response.json()) == {"pass", "not_before", "expires_at"}
    day_ms = 24 * HOUR_MS
    assert Pass.verify(response.json()["pass"]) == Pass(7, "u17", snapshot.opens_ms, snapshot.closes_ms + day_ms)
    assert (await gate_server.purchase_with(7, f"Bearer {response.json()['pass']}")).json()["place"] == 1
    assert sale.buyers_in_line() == ["u17"]
    assert gate_server.app.passed_on == []


async def test_a_stranger_is_answered_at_once(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    for response in (
        await gate_server.request("POST", PASS),
        await gate_server.request("GET", ME),
        await ask_me(gate_server, f"csrftoken={TOKEN}; theme=dark"),
    ):
        assert problem(response) == (401, "not_logged_in")
        assert response.headers["www-authenticate"] == "Session"
    assert gate_server.app.passed_on == []


@pytest.mark.parametrize(
    ("cookie", "headers"),
    [
        (f"sessionid={SESSION}", {}),
        (cookies("forged"), {}),
        (cookies(login(age_s=3600)), {}),
        (cookies(login(age_s=-3600)), {}),
        (cookies(login(session="another")), {}),
        (cookies(login(), token="another" * 4 + "four"), {}),
        (cookies(login()), {"x-csrftoken": ""}),
        (cookies(login()), {"origin": "https://elsewhere.example"}),
        (cookies(login()) + "; x=y" * 100, {}),
    ],
    ids=["none", "forged", "old", "early", "another session's", "other token", "no token", "foreign page", "absurd"],
)
async def test_what_the_cookie_does_not_settle_is_for_django(
    gate_server: GateServer, load_sale: LoadSale, cookie: str, headers: dict[str, str]
) -> None:
    load_sale()

    assert (await ask_pass(gate_server, cookie, headers)).status_code == 418
    assert gate_server.app.passed_on == [f"http {PASS}"]


async def test_a_header_sent_twice_is_for_django(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    headers = {"cookie": cookies(login()), "x-csrftoken": TOKEN, "X-CSRFToken": TOKEN}

    assert (await gate_server.request("POST", PASS, headers)).status_code == 418


@pytest.mark.parametrize(("method", "path"), [("GET", PASS), ("PUT", PASS), ("POST", ME), ("HEAD", ME)])
async def test_other_methods_are_for_django(
    gate_server: GateServer, load_sale: LoadSale, method: str, path: str
) -> None:
    load_sale()

    response = await gate_server.request(method, path, {"cookie": cookies(login()), "x-csrftoken": TOKEN})

    assert response.status_code == 418


async def test_a_login_that_has_ended_gets_nothing_from_the_next_request_on(
    gate_server: GateServer, load_sale: LoadSale
) -> None:
    sale = load_sale()
    ended, kept = login("u17"), login("u18", session="k" * 32)
    assert (await ask_pass(gate_server, cookies(ended))).status_code == 200
    assert (await ask_me(gate_server, cookies(ended))).status_code == 200

    sale.line.run(revoke_login(ended.login_id))

    assert (await ask_pass(gate_server, cookies(ended))).status_code == 418
    assert (await ask_me(gate_server, cookies(ended))).status_code == 418
    assert (await ask_pass(gate_server, cookies(kept, session="k" * 32))).status_code == 200


async def test_a_changed_account_ends_all_its_logins(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale().line.run(set_auth_hash("u17", "another auth_hash"))

    assert (await ask_pass(gate_server, cookies(login("u17")))).status_code == 418
    assert (await ask_me(gate_server, cookies(login("u17")))).status_code == 418


async def test_a_buyer_who_requests_passes_too_often_gets_retry_after(
    settings: Settings, gate_server: GateServer, load_sale: LoadSale
) -> None:
    load_sale()
    settings.PASS_RATE = Rate(3, 86_400)

    answers = [await ask_pass(gate_server, cookies(login("u17"))) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert problem(answers[3]) == (429, "throttled")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 86_400
    assert (await ask_pass(gate_server, cookies(login("u18")))).status_code == 200


async def test_a_sale_that_is_over_issues_no_passes(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale(status="closed")

    assert problem(await ask_pass(gate_server, cookies(login()))) == (403, "closed")


async def test_the_ledger_decides_whether_a_sale_that_is_not_loaded_exists(gate_server: GateServer) -> None:
    assert (await ask_pass(gate_server, cookies(login()))).status_code == 418


async def test_requests_of_a_crowd_at_once_are_one_batch(
    gate_server: GateServer, load_sale: LoadSale, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TTL_SECONDS", 60)
    load_sale()
    assert (await ask_pass(gate_server, cookies(login("u0")))).status_code == 200  # the script is cached from here on
    reset_call_counts(server)
    hold_writes(server)
    first = await gate_server.line_up([ask_pass(gate_server, cookies(login("u0")))])
    await wait_until_async("the server holds a connection", lambda: held(server) == 1)
    crowd = await gate_server.line_up(ask_pass(gate_server, cookies(login(f"u{number}"))) for number in range(1, 65))
    release_writes(server)

    answers = [await one for one in (*first, *crowd)]

    assert script_calls(server) == 2
    assert {answer.status_code for answer in answers} == {200}
    assert [Pass.verify(answer.json()["pass"]).buyer for answer in answers] == [f"u{number}" for number in range(65)]


# --- Current user ---------------------------------------------------------------------------------------------------


async def test_a_login_cookie_identifies_the_user(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()

    response = await ask_me(gate_server, cookies(login(username="Zoë \N{PANDA FACE}")))

    assert response.status_code == 200
    assert response.json() == {"username": "Zoë \N{PANDA FACE}"}
    assert response.headers["cache-control"] == "no-store"
    assert gate_server.app.passed_on == []


async def test_a_cookie_past_half_its_life_is_renewed_by_django(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()

    assert (await ask_me(gate_server, cookies(login(age_s=1790)))).status_code == 200
    assert (await ask_me(gate_server, cookies(login(age_s=1810)))).status_code == 418
    assert (await ask_pass(gate_server, cookies(login(age_s=1810)))).status_code == 200


async def test_without_redis_the_session_decides(settings: Settings, dead_address: str) -> None:
    settings.REDIS_URL = dead_address
    async with open_gate_server() as gate_server:
        assert (await ask_me(gate_server, cookies(login()))).status_code == 418
        assert gate_server.app.passed_on == [f"http {ME}"]
