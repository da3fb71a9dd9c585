"""Schedules in the admin: the periodic tasks of beat. Beat picks up a change within seconds."""

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from celery_task.beat.editing import (
    ARGUMENTS_BYTES_MAX,
    TASKS,
    is_builtin,
    save_schedule,
    schedulable_tasks,
    validate_call,
    validate_crontab,
)

if TYPE_CHECKING:
    from django.utils.functional import Promise

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


def _task_choices() -> list[tuple[str, str]]:
    return [("", "---------"), *((name, name) for name in schedulable_tasks())]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Form of a schedule: one of the shop's tasks with either an interval or a crontab."""

    task = forms.ChoiceField(label=_("Task"), choices=_task_choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = PeriodicTask
        fields = (
            *("name", "task", "enabled", "description", "interval", "crontab", "args", "kwargs"),
            "expire_seconds",
        )
        widgets = {name: UnfoldAdminTextareaWidget(attrs={"rows": 2}) for name in ("description", "args", "kwargs")}
        labels = {"interval": _("Interval"), "crontab": _("Crontab"), "expire_seconds": _("Expires after")}
        help_texts = {
            "name": "",
            "enabled": "",
            "description": "",
            "interval": _("set either this"),
            "crontab": _("or this, in its own time zone"),
            "expire_seconds": _("seconds; dropped if no worker has started it by then"),
            "args": _("a JSON list, such as [7, 4821]"),
            "kwargs": _('a JSON object, such as {"sale_id": 7}'),
        }

    def clean_name(self) -> str:
        """Reject a new name for a built-in schedule."""
        name = str(self.cleaned_data["name"])
        if self.instance.pk and is_builtin(self.instance) and name != self.instance.name:
            raise ValidationError(_("This schedule is built in; its name can't be changed."))
        return name

    def clean_args(self) -> str:
        """Return the arguments as JSON text. Empty means ``[]``."""
        return self._json("args", "[]")

    def clean_kwargs(self) -> str:
        """Return the keyword arguments as JSON text. Empty means ``{}``."""
        return self._json("kwargs", "{}")

    def _json(self, name: str, empty: str) -> str:
        text = str(self.cleaned_data[name] or empty)
        if len(text) > ARGUMENTS_BYTES_MAX:
            raise ValidationError(_("At most %(n)d bytes."), params={"n": ARGUMENTS_BYTES_MAX})
        try:
            json.loads(text)
        except ValueError as error:
            raise ValidationError(_("Invalid JSON: %(error)s."), params={"error": error}) from error
        return text

    def clean(self) -> dict[str, Any]:
        """Require either interval or crontab, and arguments that the task accepts."""
        data = super().clean() or self.cleaned_data
        if not self.errors:
            if bool(data["interval"]) == bool(data["crontab"]):
                self.add_error("interval", _("Set an interval or a crontab."))
            try:
                validate_call(data["task"], json.loads(data["args"]), json.loads(data["kwargs"]))
            except ValidationError as error:
                self.add_error(None, error)
        return data

    def validate_unique(self) -> None:
        """Skip the check after errors: django-celery-beat's check reports fields that this form does not have."""
        if not self.errors:
            super().validate_unique()


@admin.register(PeriodicTask)
class ScheduleAdmin(ModelAdmin):
    """Schedules. The queue of a task is not editable (`celery_task.queues` routes tasks)."""

    form = ScheduleForm
    list_display = ("name", "short_task", "when", "last_run", "runs", "is_enabled")
    list_filter = ("enabled",)
    list_select_related = ("interval", "crontab")
    list_per_page = 50
    ordering = ("name",)
    search_fields = ("name", "task")
    actions = ("enable", "disable")
    fieldsets = (
        (None, {"fields": ("name", "task", "enabled", "description")}),
        (_("When"), {"fields": (("interval", "crontab"), "expire_seconds")}),
        (_("Arguments"), {"fields": ("args", "kwargs")}),
        (_("Runs"), {"fields": (("last_run", "runs"),)}),
    )
    readonly_fields = ("last_run", "runs")

    @display(description=_("task"), ordering="task")
    def short_task(self, schedule: PeriodicTask) -> str:
        """Return the task's name without the common prefix."""
        return str(schedule.task.removeprefix(TASKS))

    @display(description=_("when"))
    def when(self, schedule: PeriodicTask) -> str:
        """Return interval or crontab in words."""
        return schedule.crontab.human_readable if schedule.crontab else str(schedule.interval)

    @display(description=_("last run"), ordering="last_run_at")
    def last_run(self, schedule: PeriodicTask) -> str | None:
        """Return the time of the last run, with seconds because some tasks run every second."""
        return f"{localtime(schedule.last_run_at):%Y-%m-%d %H:%M:%S}" if schedule.last_run_at else None

    @display(description=_("runs"), ordering="total_run_count")
    def runs(self, schedule: PeriodicTask) -> int:
        """Return how often beat sent the task."""
        return int(schedule.total_run_count)

    @display(description=_("enabled"), label={"yes": "success", "no": "default"}, ordering="enabled")
    def is_enabled(self, schedule: PeriodicTask) -> "tuple[str, Promise]":
        """Return whether the schedule is enabled, with its label."""
        return ("yes", _("yes")) if schedule.enabled else ("no", _("no"))

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Return False for a built-in schedule: beat would create it again. It can be disabled."""
        return super().has_delete_permission(request, obj) and (obj is None or not is_builtin(obj))

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: ScheduleForm, change: bool) -> None:  # noqa: ARG002, FBT001 (Django's signature)
        """Save only the changed fields, because beat counts runs in the same row."""
        save_schedule(obj, form.changed_data)

    @admin.action(description=_("Enable selected schedules"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Enable the schedules. Missed runs are not made up for."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description=_("Disable selected schedules"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Disable the schedules."""
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[PeriodicTask], *, enabled: bool) -> None:
        changed = list(queryset.exclude(enabled=enabled))
        for schedule in changed:
            schedule.enabled = enabled
            save_schedule(schedule, ["enabled"])  # one by one, because `QuerySet.update` would not notify beat
            self.log_change(request, schedule, [{"changed": {"fields": ["enabled"]}}])
        text = (
            ngettext("%(n)d schedule is enabled now.", "%(n)d schedules are enabled now.", len(changed))
            if enabled
            else ngettext("%(n)d schedule is disabled now.", "%(n)d schedules are disabled now.", len(changed))
        )
        self.message_user(request, text % {"n": len(changed)}, messages.SUCCESS)


class TimesAdmin(ModelAdmin):
    """Base of interval and crontab admins. Schedules share these rows and add them from their own form.

    They can't be deleted, because the delete would cascade to the schedules.
    """

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 (Django's signature)
        """Return False: these models have no entry in the sidebar."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401, ARG002 (Django's signature)
        """Return False."""
        return False


@admin.register(IntervalSchedule)
class IntervalAdmin(TimesAdmin):
    """Intervals."""

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest | None, **kwargs: Any) -> Any:  # noqa: ANN401 (Django's signature)
        """Remove microseconds from the choices, because beat ticks once a second."""
        kwargs["choices"] = [choice for choice in db_field.choices if choice[0] != IntervalSchedule.MICROSECONDS]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


class CrontabForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Form of a crontab."""

    class Meta:
        model = CrontabSchedule
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")

    def clean(self) -> dict[str, Any]:
        """Reject a crontab that beat can't parse or that never comes."""
        data = super().clean() or self.cleaned_data
        if not self.errors:
            validate_crontab(CrontabSchedule(**data))
        return data


@admin.register(CrontabSchedule)
class CrontabAdmin(TimesAdmin):
    """Crontabs."""

    form = CrontabForm
