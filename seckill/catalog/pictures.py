"""Pictures: stored in the database, with a copy on each web host as a file below MEDIA_ROOT.

The row is authoritative. After its commit, the uploading process and the worker of each host
(`celery_task.host_task`) write the files; until then `seckill.storefront.media` serves the row itself.
"""

import os
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from seckill.catalog.models import Picture

if TYPE_CHECKING:
    from django.core.files.base import File

log = structlog.get_logger(__name__)

FILE_MODE = 0o644  # readable for a proxy that serves the files


class PictureStorage(FileSystemStorage):
    """File storage backed by the database. Names are unique across hosts."""

    def _save(self, name: str, content: "File[bytes]") -> str:
        data = b"".join(content.chunks())
        while True:
            try:
                with transaction.atomic():
                    Picture.objects.create(name=name, content=data, stored_at=timezone.now())
            except IntegrityError:  # another host stored a picture with this name
                suffix = PurePosixPath(name).suffix
                name = self.get_alternative_name(name.removesuffix(suffix), suffix)
            else:
                break
        # After the commit: a file left by a rollback would block the next picture with this name.
        transaction.on_commit(lambda: write_local_copy(name), robust=True)
        return name

    def delete(self, name: str) -> None:
        """Delete the row and this host's copy. Other hosts keep theirs until another picture gets the name."""
        Picture.objects.filter(name=name).delete()
        super().delete(name)


def write_local_copy(name: str) -> None:
    """Write this host's copy of a picture atomically. Do nothing if the picture does not exist.

    Raises:
        django.core.exceptions.SuspiciousFileOperation: the name leads out of MEDIA_ROOT.
    """
    picture = Picture.objects.filter(name=name).first()
    if picture is None:
        return
    file = Path(default_storage.path(name))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{uuid4().hex}")
    try:
        part.write_bytes(picture.content)
        part.chmod(FILE_MODE)
        stored_at = _seconds(picture.stored_at)
        os.utime(part, times=(stored_at, stored_at))  # the same modification time on every host
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def write_missing_copies() -> int:
    """Write the copies that are missing or outdated on this host. Return the number of written copies."""
    missing = [
        name
        for name, stored_at in Picture.objects.values_list("name", "stored_at")
        if not _is_current(Path(default_storage.path(name)), stored_at)
    ]
    for name in missing:
        write_local_copy(name)
    if missing:
        log.info("picture_copies_written", pictures=len(missing))
    return len(missing)


def _is_current(file: Path, stored_at: datetime) -> bool:
    try:
        return int(file.stat().st_mtime) == _seconds(stored_at)
    except FileNotFoundError:
        return False


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
