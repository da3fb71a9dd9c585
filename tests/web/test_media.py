"""Media: uploaded pictures are served, other files are not."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

KETTLE = b"\x89PNG not much of a kettle"


@pytest.fixture
def pictures(settings: Settings, tmp_path: Path) -> Path:
    """A directory with a picture, and a secret file beside it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MEDIA_ROOT.mkdir()
    (settings.MEDIA_ROOT / "kettle.png").write_bytes(KETTLE)
    (tmp_path / "demo.env").write_text("SECRET_KEY=seven-copper-kettles")
    return tmp_path


@pytest.mark.usefixtures("pictures")
def test_a_picture_is_sent_whole(client: Client) -> None:
    answer = client.get("/media/kettle.png")

    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, KETTLE, "image/png")
    assert answer["Cache-Control"] == "public, max-age=300"
    unchanged = client.get("/media/kettle.png", headers={"If-Modified-Since": answer["Last-Modified"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.png", "../demo.env", "%2e%2e/demo.env", "/etc/passwd", ""])
@pytest.mark.usefixtures("pictures")
def test_nothing_else_is(client: Client, path: str) -> None:
    answer = client.get(f"/media/{path}")

    assert answer.status_code == 404
    assert b"SECRET_KEY" not in answer.content
