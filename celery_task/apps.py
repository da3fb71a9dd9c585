from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CeleryTaskConfig(AppConfig):
    """The tasks, and the database row that elects the beat leader."""

    name = "celery_task"
    verbose_name = _("Tasks")
    default_auto_field = "django.db.models.BigAutoField"
