"""The admin of one host, as a browser uses it: log in, upload, pause."""

from io import BytesIO
from typing import Self

import httpx
from PIL import Image

from devtools.waiting import WAIT_SECONDS_MAX
from seckill.catalog.models import Sale


class Admin:
    """A session of the superuser at one host: ``with Admin(host.address) as admin:``."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(
            base_url=address,
            follow_redirects=True,
            timeout=WAIT_SECONDS_MAX,
            verify=httpx.create_ssl_context(verify=False),
        )

    def __enter__(self) -> Self:
        self._client.get("/admin/login/")
        self._post("/admin/login/", {"username": "admin", "password": "admin", "next": "/admin/"})
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def upload(self, product: str, colour: str) -> None:
        """Add a product with a picture of one colour."""
        buffer = BytesIO()
        Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
        picture = (f"{colour}.png", buffer.getvalue(), "image/png")
        self._post("/admin/catalog/product/add/", {"name": product, "description": ""}, image=picture)

    def set_status(self, sale: int, status: Sale.Status) -> None:
        """Open, pause or close a sale. Returns after the response."""
        action = {Sale.Status.OPEN: "open_sales", Sale.Status.PAUSED: "pause_sales", Sale.Status.CLOSED: "close_sales"}
        page = self._post("/admin/catalog/sale/", {"action": action[status], "_selected_action": str(sale)})
        assert f"1 sale is {status.label} now." in page

    def _post(self, path: str, form: dict[str, str], **files: tuple[str, bytes, str]) -> str:
        token = self._client.cookies["csrftoken"]
        answer = self._client.post(path, data={"csrfmiddlewaretoken": token, **form}, files=files or None)
        assert answer.status_code == httpx.codes.OK
        assert "Please correct the error" not in answer.text
        return answer.text
