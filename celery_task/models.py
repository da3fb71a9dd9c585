"""The model behind beat's leader election."""

from django.db import models


class Leader(models.Model):
    """Single row that names the leading beat (`celery_task.beat.scheduler`)."""

    holder = models.CharField(max_length=120, blank=True)
    heartbeat_count = models.PositiveBigIntegerField(default=0)
    since = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.holder
