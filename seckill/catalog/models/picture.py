"""Picture: the content of an uploaded image, and its size limit."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

PICTURE_MIB_MAX = 2


def check_picture_size(picture: FieldFile) -> None:
    """Limit the size of a new upload, because the database stores it.

    Raises:
        ValidationError: the upload is larger than `PICTURE_MIB_MAX` MiB.
    """
    is_new = not picture._committed  # type: ignore[attr-defined]  # noqa: SLF001 (Django's; the file may be elsewhere)
    if is_new and picture.size > PICTURE_MIB_MAX * 2**20:
        raise ValidationError(_("A picture may have %(max)d MiB at most.") % {"max": PICTURE_MIB_MAX})


class Picture(models.Model):
    """The content of an uploaded image. Each web host serves a copy of it from a file."""

    name = models.CharField(max_length=200, primary_key=True)  #: path below MEDIA_ROOT
    content = models.BinaryField()
    stored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
