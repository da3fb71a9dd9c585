"""Picture: the content of an uploaded picture, and what may be uploaded."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

PICTURE_MIB_MAX = 2


def check_picture_size(picture: FieldFile) -> None:
    """Raise ValidationError for an upload of more than `PICTURE_MIB_MAX`: it is kept in the database."""
    is_new = not picture._committed  # type: ignore[attr-defined]  # noqa: SLF001 (Django's: an old one may be elsewhere)
    if is_new and picture.size > PICTURE_MIB_MAX * 2**20:
        raise ValidationError(_("A picture may have %(max)d MiB at most.") % {"max": PICTURE_MIB_MAX})


class Picture(models.Model):
    """The content of an uploaded picture. Every web host keeps a copy as a file, which is what is served."""

    name = models.CharField(max_length=200, primary_key=True)  #: path below MEDIA_ROOT
    content = models.BinaryField()
    stored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
