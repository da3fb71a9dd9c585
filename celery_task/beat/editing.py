"""Schedules: what may be scheduled, and how a schedule is saved. The API and the admin both ask here.

A schedule that beat can't work with would be left out in silence, or end beat; so it is refused here.
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
TASKS = "celery_task."  # what the names of the shop's tasks begin with


@cache
def schedulable_tasks() -> dict[str, inspect.Signature]:
    """The shop's tasks by name, with the arguments each takes."""
    app.loader.import_default_modules()
    return {name: inspect.signature(task.run) for name, task in sorted(app.tasks.items()) if name.startswith(TASKS)}


def is_builtin(schedule: PeriodicTask) -> bool:
    """Whether beat would make it anew if it were deleted or renamed."""
    return schedule.name in SCHEDULE


def validate_call(task: str, args: object, kwargs: object) -> None:
    """Refuse a call that would fail before the task begins. Raises ValidationError, by field."""
    if task not in schedulable_tasks():
        raise ValidationError({"task": _("There is no such task.")})
    if not isinstance(args, list):
        raise ValidationError({"args": _("This has to be a list.")})
    if not isinstance(kwargs, dict):
        raise ValidationError({"kwargs": _("This has to be an object.")})
    signature = schedulable_tasks()[task]
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        text = _("The task takes %(signature)s: %(error)s.") % {"signature": signature, "error": error}
        raise ValidationError({"args": text}) from error


def validate_crontab(at: CrontabSchedule) -> None:
    """Refuse times that beat does not understand, and those that never come. Raises ValidationError."""
    at.full_clean()
    try:
        at.schedule.remaining_estimate(timezone.now())
    except (ValueError, ParseException) as error:
        raise ValidationError(_("Beat does not understand this: %(error)s.") % {"error": error}) from error
    except RuntimeError as error:  # the thirtieth of February
        raise ValidationError(_("That time never comes.")) from error


def save_schedule(schedule: PeriodicTask, changed: Collection[str]) -> None:
    """Save a schedule, of one that is there already no more than these fields.

    Beat counts its runs in the same row, and takes each by that number: an old one written over a newer one would have
    a run sent twice. Saving tells beat, which follows within seconds.
    """
    if schedule.pk is None:
        schedule.save()
        return
    fields: set[Any] = {*changed, "date_changed"}
    if not schedule.enabled:
        fields.add("last_run_at")  # None: enabled again it waits for its time, and makes up for nothing
    schedule.save(update_fields=fields)
