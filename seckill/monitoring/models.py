"""Models of monitoring: alerts and hosts."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.lease import LeasedModel


class Alert(LeasedModel):
    """A problem that needs an operator: opened by the first failed check, resolved by the first passed one."""

    class Kind(models.TextChoices):
        DRIFT = "drift", _("line and ledger differ")
        CONTRADICTION = "contradiction", _("the ledger contradicts itself")
        STALLED = "stalled", _("a sale has stalled")
        HOST_SILENT = "host_silent", _("a host is silent")

    kind = models.CharField(_("kind"), max_length=13, choices=Kind.choices)
    subject = models.CharField(_("subject"), max_length=253)  #: "sale 7", "host web-2"
    detail = models.TextField(_("detail"), blank=True)
    started_at = models.DateTimeField(_("started at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)
    #: of the last mail; earlier than ``resolved_at`` if the end is not mailed yet
    mailed_at = models.DateTimeField(_("mailed at"), null=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(resolved_at__isnull=True), name="alert_once_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


class Host(models.Model):
    """A host with a worker, and the worker's last heartbeat (`celery_task.host_task`)."""

    name = models.CharField(_("name"), max_length=253, primary_key=True)
    last_seen_at = models.DateTimeField(_("last seen"))
    load = models.FloatField(_("load"), null=True, help_text=_("load average over one minute, per core"))
    memory_free_mib = models.PositiveIntegerField(_("free memory"), null=True, help_text=_("MiB"))
    disk_free_mib = models.PositiveBigIntegerField(
        _("free disk"), null=True, help_text=_("MiB, on the disk of logs and pictures")
    )

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
