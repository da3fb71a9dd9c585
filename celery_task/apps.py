from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CeleryTaskConfig(AppConfig):
    """Celery's tasks, and what their processes agree about."""

    name = "celery_task"
    verbose_name = _("Work")
    default_auto_field = "django.db.models.BigAutoField"
