"""Response cache before Django: shared pages, and pages of one visitor."""

import asyncio

import pytest
import pytest_asyncio
from django.core.asgi import get_asgi_application
from django.test import Client
from pytest_django import Settings

from celery_task.home_task import update_banner_list
from devtools.waiting import wait_until_async
from seckill.accounts.models import User
from seckill.catalog.models import Banner, Sale
from seckill.gate.asgi import Receive, Scope, Send
from tests.conftest import MakeSale
from tests.gate.clock import Clock
from tests.gate.visitor import CHINESE, Visit, Visitor

pytestmark = pytest.mark.usefixtures("clock")


class CountedDjango:
    """Django, with a record of the requests passed on to it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.doors = asyncio.Event()
        self.doors.set()
        self._django = get_asgi_application()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope['method']} {scope['path']}")
        await self.doors.wait()
        await self._django(scope, receive, send)


@pytest.fixture
def django(transactional_db: None) -> CountedDjango:  # noqa: ARG001 (it answers on threads of its own)
    return CountedDjango()


@pytest_asyncio.fixture
async def visitor(django: CountedDjango, visit: Visit) -> Visitor:
    return await visit(django)


@pytest.fixture
def sale(make_sale: MakeSale, transactional_db: None) -> Sale:  # noqa: ARG001 (as above)
    sale = make_sale()
    sale.product.image = "products/kettle.png"
    sale.product.save()
    return sale


@pytest.fixture
def kettles(transactional_db: None) -> Banner:  # noqa: ARG001 (as above)
    return Banner.objects.create(title="Copper kettles", image="banners/kettles.png")


@pytest.mark.usefixtures("kettles")
async def test_the_banners_are_a_miss_once_and_then_hits(visitor: Visitor, django: CountedDjango, clock: Clock) -> None:
    first = await visitor.get("/api/banners/")
    shared = await visitor.get("/api/banners/")
    clock.now += 1
    again = await visitor.get("/api/banners/")

    assert [(answer.status_code, answer["X-Cache"], answer["Age"]) for answer in (first, shared, again)] == [
        (200, "miss", "0"), (200, "hit", "0"), (200, "hit", "0")
    ]  # fmt: skip
    assert first.content == shared.content == again.content
    assert b"Copper kettles" in first.content
    assert first.headers == shared.headers | {"x-cache": "miss"}
    assert (await visitor.get("/api/banners/", if_none_match=first.headers["etag"])).status_code == 304
    assert len(django.asked) == 2


async def test_a_changed_banner_is_shown_to_the_second_who_asks_after_the_beat(
    visitor: Visitor, kettles: Banner, clock: Clock
) -> None:
    await visitor.get("/api/banners/")
    await asyncio.to_thread(_rename, kettles)

    assert b"Copper kettles" in (await visitor.get("/api/banners/")).content
    clock.now += 0.2
    assert b"Copper kettles" in (await visitor.get("/api/banners/")).content
    await wait_until_async("not visitor.application.public._renewing", lambda: not visitor.application.public._renewing)
    assert b"Brass kettles" in (await visitor.get("/api/banners/")).content


async def test_nobody_is_shown_a_banner_that_was_changed_a_second_ago(
    visitor: Visitor, kettles: Banner, clock: Clock
) -> None:
    await visitor.get("/api/banners/")
    await asyncio.to_thread(_rename, kettles)
    clock.now += 1

    assert b"Brass kettles" in (await visitor.get("/api/banners/")).content


def _rename(banner: Banner) -> None:
    from django.db import connection  # noqa: PLC0415 (this thread's)

    banner.title = "Brass kettles"
    banner.save()
    update_banner_list.run()
    connection.close()


@pytest.mark.usefixtures("kettles")
async def test_of_fifty_who_want_the_banners_at_once_one_asks_django(visitor: Visitor, django: CountedDjango) -> None:
    django.doors.clear()
    crowd = await visitor.line_up(50, lambda: visitor.get("/api/banners/"))
    django.doors.set()
    answers = await asyncio.gather(*crowd)

    assert django.asked == ["GET /api/banners/"]
    assert [answer["X-Cache"] for answer in answers] == ["miss"] + ["hit"] * 49
    assert len({answer.content for answer in answers}) == 1


async def test_a_sale_page_is_shared_in_each_language(visitor: Visitor, django: CountedDjango, sale: Sale) -> None:
    english, chinese = f"/sales/{sale.pk}/", f"/zh-hans/sales/{sale.pk}/"

    for _ in range(3):
        for wanted in ("en", CHINESE):
            for cookie in ("", "sessionid=ann"):
                visitor.headers = {"cookie": cookie, "accept-language": wanted}
                assert b'<html lang="en"' in (await visitor.get(english)).content
                assert b'<html lang="zh-hans"' in (await visitor.get(chinese)).content

    # Django adds Vary: Accept-Language to the English page.
    assert sorted(django.asked) == [f"GET {english}"] * 2 + [f"GET {chinese}"]


async def test_the_api_is_shared_in_each_language(visitor: Visitor, django: CountedDjango, sale: Sale) -> None:
    languages = [
        (await visitor.get(f"/api/sales/{sale.pk}/", accept_language=wanted))["Content-Language"]
        for wanted in ("en", CHINESE, "en-GB", "zh")
    ]

    assert languages == ["en", "zh-hans", "en", "zh-hans"]
    assert len(django.asked) == 2


async def test_what_names_its_host_is_not_shared_between_hosts(
    visitor: Visitor, django: CountedDjango, sale: Sale
) -> None:
    for host in ("127.0.0.1", "localhost:8000") * 2:
        body = (await visitor.get(f"/api/sales/{sale.pk}/", host=host)).content
        assert f'"http://{host}/media/products/kettle.png"'.encode() in body

    assert len(django.asked) == 2
    assert (await visitor.get(f"/api/sales/{sale.pk}/", host="elsewhere.example")).status_code == 400


@pytest.mark.usefixtures("kettles")
@pytest.mark.parametrize("address", ["/api/banners/", "/api/sales/", "/api/sales/{}/"])
async def test_who_wants_other_json_does_not_decide_for_all(visitor: Visitor, sale: Sale, address: str) -> None:
    address = address.format(sale.pk)

    indented = await visitor.get(address, accept="application/json; indent=4")
    html = await visitor.get(address, accept="text/html")
    usual = await visitor.get(address, accept="application/json")

    assert (b'    "id": ' in indented.content, html.status_code, b'"id":' in usual.content) == (True, 406, True)


async def test_what_sets_a_cookie_or_is_no_ones_business_is_not_shared(visitor: Visitor, django: CountedDjango) -> None:
    for path in ("/admin/login/", "/api/docs/", "/api/schema/", "/healthz", "/api/orders/", "/sales/999/"):
        for _ in range(2):
            await visitor.get(path)

    assert len(django.asked) == 12


async def test_everybody_sees_their_own_name_and_orders(
    visitor: Visitor, django: CountedDjango, ann_and_ben: list[str]
) -> None:
    async def name(cookie: str) -> bytes:
        return (await visitor.get("/api/auth/me", cookie=f"sessionid={cookie}")).content

    ann, ben = ann_and_ben
    for _ in range(2):
        assert await asyncio.gather(*(name(who) for who in (ann, ben, ann))) == [
            b'{"username":"ann"}', b'{"username":"ben"}', b'{"username":"ann"}'
        ]  # fmt: skip
        assert (await visitor.get("/api/orders/", cookie=f"sessionid={ann}")).status_code == 200
        assert (await visitor.get("/api/orders/")).status_code == 401
        admin = await visitor.get("/admin/", cookie=f"sessionid={ben}")
        assert (admin.status_code, (await visitor.get("/admin/")).status_code) == (200, 302)

    assert len(django.asked) == 2 * 7


@pytest.fixture
def ann_and_ben(transactional_db: None) -> list[str]:  # noqa: ARG001 (as above)
    """Sessions of a buyer and of an administrator."""
    sessions = []
    for username in ("ann", "ben"):
        browser = Client()
        browser.force_login(User.objects.create(username=username, is_staff=True, is_superuser=username == "ben"))
        sessions.append(browser.cookies["sessionid"].value)
    return sessions


@pytest.fixture
def _picture(settings: Settings) -> None:
    settings.MEDIA_ROOT.mkdir()
    (settings.MEDIA_ROOT / "kettle.png").write_bytes(b"\x89PNG not much of a kettle")


@pytest.mark.usefixtures("_picture")
async def test_a_client_that_has_the_picture_gets_304(visitor: Visitor, django: CountedDjango) -> None:
    first = await visitor.get("/media/kettle.png")
    shared = await visitor.get("/media/kettle.png")

    unchanged = await visitor.get("/media/kettle.png", if_modified_since=str(first["Last-Modified"]))

    assert (first, len(django.asked)) == (shared, 2)
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # WhiteNoise reads its files in a thread
async def test_a_compressed_file_is_not_given_to_who_cannot_read_it(settings: Settings, visit: Visit) -> None:
    (settings.STATIC_ROOT / "kettle.js").write_bytes(b"boil()")
    (settings.STATIC_ROOT / "kettle.js.gz").write_bytes(b"gz")
    visitor = await visit(django := CountedDjango())

    answers = [
        ((answer := await visitor.get("/static/kettle.js", accept_encoding=form)).content, answer["Content-Encoding"])
        for form in ("gzip", "", "gzip", "")
    ]

    assert answers == [(b"gz", "gzip"), (b"boil()", None)] * 2
    assert len(django.asked) == 2
