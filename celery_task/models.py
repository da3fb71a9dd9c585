"""The database row by which several beats agree on which of them sends."""

from django.db import models


class Leader(models.Model):
    """The one row that says which beat sends (`celery_task.beat.scheduler`)."""

    holder = models.CharField(max_length=120, blank=True)
    heartbeat_count = models.PositiveBigIntegerField(default=0)
    since = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.holder
