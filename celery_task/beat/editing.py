"""Validate and save periodic tasks, for the API and the admin.

django-celery-beat's own scheduler skips a schedule that it can't evaluate, or crashes on it; ours logs it. So invalid
schedules are rejected here.
"""

import inspect
from collections.abc import Collection
from functools import cache
from typing import Any

from celery.schedules import ParseException
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from celery_task.beat.schedule import SCHEDULE
from celery_task.celery import app

ARGUMENTS_BYTES_MAX = 10_000
TASKS = "celery_task."  # prefix of the names of the shop's tasks


@cache
def schedulable_tasks() -> dict[str, inspect.Signature]:
    """Return the signatures of the shop's tasks, by task name."""
    app.loader.import_default_modules()
    return {name: inspect.signature(task.run) for name, task in sorted(app.tasks.items()) if name.startswith(TASKS)}


def is_builtin(schedule: PeriodicTask) -> bool:
    """Return whether beat recreates this schedule when it is deleted or renamed."""
    return schedule.name in SCHEDULE


def validate_call(task: str, args: object, kwargs: object) -> None:
    """Check that the task exists and accepts these arguments.

    Raises:
        ValidationError: for the field ``task``, ``args`` or ``kwargs``.
    """
    if task not in schedulable_tasks():
        raise ValidationError({"task": _("Unknown task.")})
    if not isinstance(args, list):
        raise ValidationError({"args": _("This must be a list.")})
    if not isinstance(kwargs, dict):
        raise ValidationError({"kwargs": _("This must be an object.")})
    signature = schedulable_tasks()[task]
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        text = _("The arguments do not fit %(signature)s: %(error)s.") % {"signature": signature, "error": error}
        raise ValidationError({"args": text}) from error


def validate_crontab(at: CrontabSchedule) -> None:
    """Check that beat can evaluate the crontab and that it ever matches.

    Raises:
        ValidationError: the crontab is invalid, or matches no date.
    """
    at.full_clean()
    try:
        at.schedule.remaining_estimate(timezone.now())
    except (ValueError, ParseException) as error:
        raise ValidationError(_("Invalid crontab: %(error)s.") % {"error": error}) from error
    except RuntimeError as error:  # such as 30 February
        raise ValidationError(_("This crontab matches no date.")) from error


def save_schedule(schedule: PeriodicTask, changed: Collection[str]) -> None:
    """Save a new schedule, or only the ``changed`` fields of an existing one. Beat reloads it within seconds.

    Beat claims each run by ``total_run_count`` in the same row. Overwriting that column with an old value would send
    a run twice.
    """
    if schedule.pk is None:
        schedule.save()
        return
    fields: set[Any] = {*changed, "date_changed"}
    if not schedule.enabled:
        fields.add("last_run_at")  # None: once enabled again, it waits for its next time and makes up for no missed run
    schedule.save(update_fields=fields)
