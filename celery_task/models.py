"""What Celery's processes have to agree about: which beat leads, and which hosts there are."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Leader(models.Model):
    """The one row that says which beat sends (`celery_task.scheduler`)."""

    holder = models.CharField(max_length=120, blank=True)
    renewals = models.PositiveBigIntegerField(default=0)
    since = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.holder


class Host(models.Model):
    """A host that works for the shop, as its worker reported last (`celery_task.host_task`)."""

    name = models.CharField(_("name"), max_length=253, primary_key=True)
    seen_at = models.DateTimeField(_("seen at"))
    load = models.FloatField(_("load"), null=True, help_text=_("processes that want to run, over a minute, per core"))
    memory_free_mib = models.PositiveIntegerField(_("free memory"), null=True, help_text=_("MiB"))
    disk_free_mib = models.PositiveBigIntegerField(
        _("free disk"), null=True, help_text=_("MiB, where logs and pictures are")
    )

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
