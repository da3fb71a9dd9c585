"""Read responses: problems, passes, and times as the API formats them."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from seckill.catalog.models import Sale
from seckill.line.passes import Pass
from seckill.timestamps import to_epoch_ms


class Answer(Protocol):
    """The test client's response, as far as it is used here."""

    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> bytes: ...
    @property
    def json(self) -> Callable[[], Any]: ...
    def __getitem__(self, header: str) -> str: ...


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that a response is an RFC 9457 problem and return the document."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:seckill:problem:{code}"
    assert document["title"]
    return document


def bearer(sale: Sale, buyer: str, *, valid_seconds: float = 3600) -> dict[str, str]:
    """Return headers with a pass of this buyer for this sale."""
    expires_ms = int((time.time() + valid_seconds) * 1000)
    return {"Authorization": f"Bearer {Pass(sale.pk, buyer, to_epoch_ms(sale.opens_at), expires_ms).sign()}"}


def written(moment: datetime) -> str:
    """Return the time as DRF formats it."""
    return moment.isoformat().replace("+00:00", "Z")
