"""A buyer: opens the page, waits for the opening, buys, polls for the outcome, and pays or does not."""

import random
import secrets
import time
from typing import TYPE_CHECKING, ClassVar

import gevent
from locust import FastHttpUser, constant_throughput, task
from locust.exception import StopUser

from loadtest.crowd.purchase import Purchase

if TYPE_CHECKING:
    from locust.contrib.fasthttp import ResponseContextManager

    from loadtest.crowd.crowd import Crowd

#: Poll statuses after which a buyer stops: there is an order, or no unit is left for now.
DECIDED = ("confirmed", "waitlisted", "sold_out", "released")
TIME_TO_OUTCOME = "time to outcome"
OK, CREATED, ACCEPTED, CONFLICT = 200, 201, 202, 409
TRY_AGAIN = (0, 429, 500, 502, 503, 504)  #: 0 = no response
PAUSE_SECONDS = 2.0  #: before a retry, when the response has no Retry-After


class Buyer(FastHttpUser):
    """One person with one browser. Retries after every failure; a buyer keeps the same place."""

    crowd: ClassVar["Crowd"]
    concurrency = 100  # with --shape ramp the polls of several purchases overlap

    _pace = constant_throughput(1)

    def wait_time(self) -> float:
        """On the ramp wait so that a purchase starts every second; otherwise do not wait."""
        return float(Buyer._pace(self)) if self.crowd.options.shape == "ramp" else 0.0

    def on_start(self) -> None:
        """Load the banners, and the sale's page unless the browser has it cached."""
        if random.random() < self.crowd.options.browse:
            self.client.get(f"/sales/{self.crowd.options.sale}/", name="sale page")
        self.client.get("/api/banners/", name="banners")

    @task
    def shop(self) -> None:
        """One purchase, from waiting for the opening to the end."""
        options = self.crowd.options
        if options.duration and self.crowd.opening.seconds_open() > options.duration:
            raise StopUser
        buyer_pass = self.crowd.passes.take() if self.crowd.passes.kept else self._ask_for_pass()
        if buyer_pass is None:
            raise StopUser  # every buyer with a pass has bought
        self.crowd.opening.wait()
        gevent.sleep(random.uniform(0, options.within))

        authorization = {"Authorization": f"Bearer {buyer_pass}"}
        purchase = Purchase(clicked=time.time())
        if self.crowd.purchases:
            self.crowd.purchases.begin(purchase)
        self._buy(purchase, authorization)
        if options.shape == "ramp":
            gevent.spawn(self._follow, purchase, authorization)
        else:
            self._follow(purchase, authorization)
            if options.shape == "flash":
                raise StopUser

    def _buy(self, purchase: Purchase, authorization: dict[str, str]) -> None:
        options = self.crowd.options
        path = f"/api/sales/{options.sale}/purchase{'/sync' if options.sync else ''}"
        while True:
            with self.client.post(path, headers=authorization, name="purchase", catch_response=True) as answer:
                if answer.status_code in (CREATED, ACCEPTED, CONFLICT):
                    answer.success()
                    break
                answer.failure(f"purchase {answer.status_code}")
            if answer.status_code not in TRY_AGAIN:
                purchase.outcome = "refused"
                return
            if self._patience_is_over(purchase):
                return
            gevent.sleep(_pause(answer))
        purchase.answered = time.time()
        document = answer.json()
        purchase.place = document.get("place") or 0
        if answer.status_code == ACCEPTED:
            purchase.ticket = document["ticket"]
        else:
            purchase.outcome = "confirmed" if answer.status_code == CREATED else "sold_out"
            purchase.order = document.get("number", "")
            self._know(purchase)

    def _follow(self, purchase: Purchase, authorization: dict[str, str]) -> None:
        """Poll until the outcome is known, and pay for an order."""
        while purchase.ticket and not purchase.outcome and not self._patience_is_over(purchase):
            gevent.sleep(PAUSE_SECONDS)
            self._poll(purchase)
        if purchase.outcome == "confirmed" and random.random() < self.crowd.options.pay:
            path = f"/api/orders/{purchase.order}/pay"
            purchase.paid = self.client.post(path, headers=authorization, name="pay").status_code == OK
        if self.crowd.purchases:
            self.crowd.purchases.end(purchase)

    def _poll(self, purchase: Purchase) -> None:
        purchase.polls += 1
        with self.client.get(f"/api/tickets/{purchase.ticket}", name="poll", catch_response=True) as answer:
            if answer.status_code != OK:
                answer.failure(f"poll {answer.status_code}")
                if answer.status_code not in TRY_AGAIN:
                    purchase.outcome = "refused"
                return
            answer.success()
        document = answer.json()
        purchase.ticket = document.get("ticket", purchase.ticket)  # the ticket is renewed after the line was rebuilt
        if document["status"] in DECIDED:
            purchase.outcome = document["status"]
            purchase.order = document.get("order", "")
            self._know(purchase)

    def _patience_is_over(self, purchase: Purchase) -> bool:
        return time.time() - purchase.clicked > float(self.crowd.options.patience)

    def _know(self, purchase: Purchase) -> None:
        purchase.decided = time.time()
        self.environment.events.request.fire(
            request_type="",
            name=TIME_TO_OUTCOME,
            response_time=(purchase.decided - purchase.clicked) * 1000,
            response_length=0,
            exception=None,
            context={},
        )

    def _ask_for_pass(self) -> str | None:
        """Register and fetch a pass, as a shop's own buyers do. Return None when the shop accepts no more."""
        account = {"username": f"load-{secrets.token_hex(8)}", "password": secrets.token_urlsafe(12)}
        while True:
            with self.client.post("/api/auth/register", json=account, name="register", catch_response=True) as answer:
                if answer.status_code == CREATED:
                    answer.success()
                    break
                answer.failure(f"register {answer.status_code}")
            if answer.status_code not in TRY_AGAIN:
                return None
            gevent.sleep(_pause(answer))
        token = next(cookie.value for cookie in self.client.cookiejar if cookie.name == "csrftoken")
        path = f"/api/sales/{self.crowd.options.sale}/pass"
        headers = {"X-CSRFToken": str(token), "Referer": f"{self.host}/"}
        answer = self.client.post(path, headers=headers, name="pass")
        return str(answer.json()["pass"]) if answer.status_code == OK else None


def _pause(answer: "ResponseContextManager") -> float:
    """Return the Retry-After of the response in seconds."""
    headers = answer.headers
    return float(str(headers["Retry-After"])) if headers and "Retry-After" in headers else PAUSE_SECONDS
