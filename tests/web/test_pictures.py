"""Pictures: the database row is authoritative, files are copies of it, one per web host."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from celery_task.celery import app
from devtools.embedded.ports import free_port
from devtools.waiting import WAIT_SECONDS_MAX
from seckill.catalog.models import PICTURE_MIB_MAX, Banner, Picture, Product
from seckill.catalog.pictures import write_local_copy, write_missing_copies
from tests.orders.crowd import await_waiter

pytestmark = pytest.mark.django_db(transaction=True)  # copies are written on commit

KETTLE = b"\x89PNG not much of a kettle"


@pytest.fixture
def go_to_another_host(settings: Settings, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that switches this process to a host without pictures and returns the host's directory."""

    def go() -> Path:
        settings.MEDIA_ROOT = tmp_path / "another-host"
        return Path(settings.MEDIA_ROOT)

    return go


def upload(name: str, content: bytes = KETTLE) -> str:
    """Upload a picture; return its name in the storage."""
    return default_storage.save(name, ContentFile(content))


def names_in(directory: Path) -> list[str]:
    """Return the names of the files in a directory."""
    return [file.name for file in directory.iterdir()]


def image(*, mib: float = 0) -> SimpleUploadedFile:
    """Return a JPEG, padded to ``mib`` MiB."""
    buffer = BytesIO()
    Image.new("RGB", (4, 3), "teal").save(buffer, "JPEG")
    padding = max(0, int(mib * 2**20) - buffer.tell())
    return SimpleUploadedFile("teal.jpg", buffer.getvalue() + bytes(padding), "image/jpeg")


# --- The storage


def test_an_upload_makes_a_row_and_a_file_that_a_proxy_can_read(settings: Settings) -> None:
    name = upload("products/kettle.png")

    file = Path(settings.MEDIA_ROOT) / "products/kettle.png"
    assert (name, file.read_bytes(), file.stat().st_mode & 0o777) == ("products/kettle.png", KETTLE, 0o644)
    picture = Picture.objects.get()
    assert (picture.name, bytes(picture.content)) == (name, KETTLE)


def test_deleting_removes_both() -> None:
    name = upload("kettle.png")

    default_storage.delete(name)

    assert not Picture.objects.exists()
    assert not Path(default_storage.path(name)).exists()


def test_a_picture_that_is_taken_back_leaves_nothing() -> None:
    with transaction.atomic():
        name = upload("kettle.png")
        transaction.set_rollback(True)

    assert not Picture.objects.exists()
    assert not Path(default_storage.path(name)).exists()


def test_a_name_is_given_once_to_whichever_host_it_is_uploaded(go_to_another_host: Callable[[], Path]) -> None:
    first = upload("kettle.png", b"copper")
    go_to_another_host()

    second = upload("kettle.png", b"brass")

    assert first != second
    assert {picture.name: bytes(picture.content) for picture in Picture.objects.all()} == {
        first: b"copper",
        second: b"brass",
    }


@pytest.mark.skipif(connection.vendor == "sqlite", reason="one writer at a time: there is no such moment")
def test_a_name_is_given_once_when_two_hosts_get_it_at_the_same_moment() -> None:
    names: list[str] = []
    here = threading.Event()

    def at_the_other_host() -> None:
        with transaction.atomic():
            names.append(upload("kettle.png", b"brass"))
            here.set()
            await_waiter()
        connection.close()

    other = threading.Thread(target=at_the_other_host)
    other.start()
    assert here.wait(WAIT_SECONDS_MAX)
    names.append(upload("kettle.png", b"copper"))
    other.join()

    assert len(set(names)) == 2
    assert [bytes(Picture.objects.get(name=name).content) for name in names] == [b"brass", b"copper"]


# --- Copies


def test_another_host_writes_its_copy_from_the_row(go_to_another_host: Callable[[], Path]) -> None:
    name = upload("banners/kettle.png")
    pictures = go_to_another_host()

    write_local_copy(name)
    write_local_copy(name)  # a broadcast may be delivered twice

    assert (pictures / "banners/kettle.png").read_bytes() == KETTLE
    assert names_in(pictures / "banners") == ["kettle.png"]


def test_a_copy_is_written_whole_or_not_at_all(
    go_to_another_host: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = upload("kettle.png")
    pictures = go_to_another_host()
    seen: list[list[str]] = []

    def chmod(file: Path, mode: int) -> None:  # in the middle of writing
        seen.append([child.name for child in file.parent.glob("kettle.png")])
        raise OSError(28, f"no space left for {mode}")

    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(OSError, match="no space left"):
        write_local_copy(name)

    assert seen == [[]]
    assert names_in(pictures) == []


def test_a_disk_that_is_full_fails_no_upload(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def chmod(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "chmod", chmod)
    with transaction.atomic():
        name = upload("kettle.png")

    assert client.get(f"/media/{name}").content == KETTLE


def test_a_name_that_leads_out_of_the_pictures_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    Picture.objects.create(name="../secret.png", content=KETTLE, stored_at="2026-11-11T20:15:07Z")

    with pytest.raises(SuspiciousFileOperation):
        write_local_copy("../secret.png")

    assert not outside.exists()


def test_a_host_catches_up_with_what_it_has_missed(go_to_another_host: Callable[[], Path]) -> None:
    names = [upload(f"products/{metal}.png", metal.encode()) for metal in ("copper", "brass", "iron")]
    pictures = go_to_another_host()
    write_local_copy(names[1])

    assert write_missing_copies() == 2
    assert write_missing_copies() == 0

    assert {file.name: file.read_bytes() for file in pictures.glob("*/*")} == {
        "copper.png": b"copper",
        "brass.png": b"brass",
        "iron.png": b"iron",
    }


def test_a_copy_of_a_former_picture_of_the_name_is_replaced(go_to_another_host: Callable[[], Path]) -> None:
    name = upload("kettle.png", b"copper")
    pictures = go_to_another_host()
    write_local_copy(name)
    Picture.objects.update(content=b"brass", stored_at=F("stored_at") + timedelta(seconds=1))

    assert write_missing_copies() == 1

    assert (pictures / name).read_bytes() == b"brass"


# --- Pages


def test_a_picture_is_shown_before_its_copy_is_there(client: Client, go_to_another_host: Callable[[], Path]) -> None:
    upload("products/kettle.png")
    pictures = go_to_another_host()

    answer = client.get("/media/products/kettle.png")

    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, KETTLE, "image/png")
    assert answer["Cache-Control"] == "public, max-age=300"
    assert not pictures.exists()
    write_missing_copies()
    copy = client.get("/media/products/kettle.png")
    assert (copy.content, copy["Last-Modified"]) == (KETTLE, answer["Last-Modified"])


# --- The admin


def test_a_picture_that_is_too_large_is_refused(admin_client: Client) -> None:
    url = reverse("admin:catalog_product_add")

    answer = admin_client.post(url, {"name": "Kettle", "description": "", "image": image(mib=PICTURE_MIB_MAX + 0.01)})

    assert "A picture may have 2 MiB at most." in answer.content.decode()
    assert not Product.objects.exists()
    assert not Picture.objects.exists()
    admin_client.post(url, {"name": "Kettle", "description": "", "image": image(mib=PICTURE_MIB_MAX)})
    assert len(Picture.objects.get().content) == 2 * 2**20


def test_a_product_whose_copy_is_not_here_can_be_changed(
    admin_client: Client, go_to_another_host: Callable[[], Path]
) -> None:
    admin_client.post(reverse("admin:catalog_product_add"), {"name": "Kettle", "description": "", "image": image()})
    product = Product.objects.get()
    go_to_another_host()

    url = reverse("admin:catalog_product_change", args=[product.pk])
    assert admin_client.get(url).status_code == 200
    admin_client.post(url, {"name": "Kettle of copper", "description": "", "image": ""})

    product.refresh_from_db()
    assert (product.name, product.image.name) == ("Kettle of copper", "products/teal.jpg")


def test_a_picture_is_saved_though_the_broker_is_away(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = app.connection(f"redis://127.0.0.1:{free_port()}/1")
    monkeypatch.setattr(app, "connection_for_write", lambda: nobody)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)

    form = {"title": "Kettles!", "subtitle": "", "image": image(), "sale": "", "position": "3", "active": "on"}
    answer = admin_client.post(reverse("admin:catalog_banner_add"), form, follow=True)

    assert answer.status_code == 200
    assert Banner.objects.get().image.name == Picture.objects.get().name
    assert "picture_broadcast_failed" in caplog.text
