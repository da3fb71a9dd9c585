"""Schedule API: the periodic tasks of beat. For staff with django-celery-beat's permissions."""

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import permissions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from celery_task.beat.editing import (
    ARGUMENTS_BYTES_MAX,
    is_builtin,
    save_schedule,
    validate_call,
    validate_crontab,
)
from seckill.api.accounts import NAME_TAKEN
from seckill.api.cache_control import NO_STORE
from seckill.api.exceptions import ProblemError
from seckill.errors.problems import Problem

LISTED_MAX = 1000
SECONDS_MAX = 366 * 86_400
CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
RIGHTS = {"GET": "view", "HEAD": "view", "OPTIONS": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}


class CanManageSchedules(permissions.BasePermission):
    """Allow staff with the model permission that the HTTP method needs."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the base class' signature)
        """Return whether the caller is such staff. If not, DRF responds 401 without a login, else 403."""
        right = RIGHTS.get(request.method or "")
        return bool(request.user.is_staff and request.user.has_perm(f"django_celery_beat.{right}_periodictask"))


@extend_schema_serializer(component_name="Schedule")
class ScheduleSerializer(serializers.ModelSerializer[PeriodicTask]):
    """A schedule, either an interval or a crontab. The fields of the other kind are null."""

    args = serializers.SerializerMethodField()
    kwargs = serializers.SerializerMethodField()
    every_seconds = serializers.SerializerMethodField()
    crontab = serializers.SerializerMethodField()
    time_zone = serializers.SerializerMethodField()
    comes_with_shop = serializers.SerializerMethodField()

    class Meta:
        model = PeriodicTask
        fields = (
            "id", "name", "task", "args", "kwargs", "every_seconds", "crontab", "time_zone", "enabled",
            "expire_seconds", "last_run_at", "total_run_count", "comes_with_shop",
        )  # fmt: skip

    def get_args(self, schedule: PeriodicTask) -> list[Any]:
        """Return the positional arguments of the task."""
        return list(json.loads(schedule.args or "[]"))

    def get_kwargs(self, schedule: PeriodicTask) -> dict[str, Any]:
        """Return the keyword arguments of the task."""
        return dict(json.loads(schedule.kwargs or "{}"))

    def get_every_seconds(self, schedule: PeriodicTask) -> float | None:
        """Return the interval in seconds, whatever its unit."""
        every = schedule.interval
        return timedelta(**{every.period: every.every}).total_seconds() if every else None

    def get_crontab(self, schedule: PeriodicTask) -> str | None:
        """Return the crontab as five fields: minute, hour, day, month, weekday."""
        at = schedule.crontab
        return " ".join(getattr(at, name).replace(" ", "") for name in CRONTAB_FIELDS) if at else None

    def get_time_zone(self, schedule: PeriodicTask) -> str | None:
        """Return the time zone of the crontab."""
        return str(schedule.crontab.timezone) if schedule.crontab else None

    def get_comes_with_shop(self, schedule: PeriodicTask) -> bool:
        """Return whether the schedule is built in: it can be changed and disabled, but not renamed or deleted."""
        return is_builtin(schedule)


@extend_schema_serializer(component_name="ScheduleRequest")
class ScheduleRequestSerializer(serializers.Serializer[Any]):
    """A task and its times: either ``every_seconds`` or ``crontab``."""

    name = serializers.CharField(max_length=200)
    task = serializers.CharField(max_length=200)
    args = serializers.JSONField(required=False)
    kwargs = serializers.JSONField(required=False)
    every_seconds = serializers.IntegerField(min_value=1, max_value=SECONDS_MAX, required=False)
    crontab = serializers.CharField(max_length=500, required=False, help_text="minute hour day month weekday")
    time_zone = serializers.CharField(
        max_length=63, required=False, help_text="time zone of the crontab, such as Asia/Tokyo"
    )
    enabled = serializers.BooleanField(required=False)
    expire_seconds = serializers.IntegerField(min_value=1, max_value=SECONDS_MAX, required=False, allow_null=True)

    def validate_name(self, value: str) -> str:
        """Reject a taken name, and a new name for a built-in schedule."""
        taken = PeriodicTask.objects.filter(name=value)
        if self.instance is None:
            if taken.exists():
                raise serializers.ValidationError(NAME_TAKEN)
            return value
        if taken.exclude(pk=self.instance.pk).exists():
            raise serializers.ValidationError(NAME_TAKEN)
        if is_builtin(self.instance) and value != self.instance.name:
            raise serializers.ValidationError(_("This schedule is built in; its name can't be changed."))
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the changed fields of the row."""
        row = self.instance or PeriodicTask()
        plain = ("name", "task", "enabled", "expire_seconds")
        changed: dict[str, Any] = {name: attrs[name] for name in plain if name in attrs}
        changed |= {name: _json(name, attrs[name]) for name in ("args", "kwargs") if name in attrs}
        task, args, kwargs = (changed.get(name, getattr(row, name)) for name in ("task", "args", "kwargs"))
        try:
            validate_call(task, json.loads(args), json.loads(kwargs))
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return changed | _times(row, attrs)


def _json(name: str, value: object) -> str:
    text = json.dumps(value)
    if len(text) > ARGUMENTS_BYTES_MAX:
        raise serializers.ValidationError({name: [_("At most %(n)d bytes.") % {"n": ARGUMENTS_BYTES_MAX}]})
    return text


def _times(row: PeriodicTask, attrs: dict[str, Any]) -> dict[str, Any]:
    """Return the changed time fields. Schedules share interval and crontab rows, so existing rows are never changed."""
    if "every_seconds" in attrs and ("crontab" in attrs or "time_zone" in attrs):
        raise serializers.ValidationError({"every_seconds": [_("Set either every_seconds or crontab, not both.")]})
    if "every_seconds" in attrs:
        every = {"every": attrs["every_seconds"], "period": IntervalSchedule.SECONDS}
        interval = IntervalSchedule.objects.filter(**every).first() or IntervalSchedule(**every)
        return {"interval": interval, "crontab": None, "solar": None, "clocked": None}
    if "crontab" in attrs or "time_zone" in attrs:
        return {"interval": None, "crontab": _crontab(row, attrs), "solar": None, "clocked": None}
    if row.pk is None:
        raise serializers.ValidationError({"every_seconds": [_("Set every_seconds or crontab.")]})
    return {}


def _crontab(row: PeriodicTask, attrs: dict[str, Any]) -> CrontabSchedule:
    before = row.crontab
    if "crontab" in attrs:
        parts = attrs["crontab"].split()
    elif before:
        parts = [getattr(before, name) for name in CRONTAB_FIELDS]
    else:
        raise serializers.ValidationError({"time_zone": [_("A time zone needs a crontab.")]})
    if len(parts) != len(CRONTAB_FIELDS):
        raise serializers.ValidationError({"crontab": [_("Expected five fields: minute hour day month weekday.")]})
    zone = attrs.get("time_zone") or (str(before.timezone) if before else settings.TIME_ZONE)
    if zone not in available_timezones():
        raise serializers.ValidationError({"time_zone": [_("Unknown time zone.")]})
    fields = dict(zip(CRONTAB_FIELDS, parts, strict=True)) | {"timezone": ZoneInfo(zone)}
    at = CrontabSchedule.objects.filter(**fields).first() or CrontabSchedule(**fields)
    try:
        validate_crontab(at)
    except ValidationError as error:
        raise serializers.ValidationError({"crontab": error.messages}) from error
    return at


def _apply(row: PeriodicTask, changed: dict[str, Any]) -> None:
    """Save the changes. Save a new interval or crontab before the schedule that refers to it."""
    try:
        with transaction.atomic():
            for name, value in changed.items():
                if name in {"interval", "crontab"} and value is not None and value.pk is None:
                    value.save()
                setattr(row, name, value)
            save_schedule(row, changed)
    except (ValidationError, IntegrityError) as error:  # a concurrent request took the name
        raise serializers.ValidationError({"name": [NAME_TAKEN]}) from error


class SchedulesApi(APIView):
    """All schedules."""

    permission_classes = (CanManageSchedules,)

    @extend_schema(responses=ScheduleSerializer(many=True), operation_id="schedules")
    def get(self, request: Request) -> Response:  # noqa: ARG002 (DRF's signature)
        """Return up to 1,000 schedules by name."""
        found = PeriodicTask.objects.select_related("interval", "crontab").order_by("name")[:LISTED_MAX]
        return Response(ScheduleSerializer(found, many=True).data, headers=NO_STORE)

    @extend_schema(request=ScheduleRequestSerializer, responses={201: ScheduleSerializer}, operation_id="make_schedule")
    def post(self, request: Request) -> Response:
        """Create a schedule, which beat picks up within seconds.

        Return 201 with the schedule, or 400 ``invalid`` with the errors by field.
        """
        fields = ScheduleRequestSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        row = PeriodicTask()
        _apply(row, fields.validated_data)
        return Response(
            ScheduleSerializer(row).data,
            status=status.HTTP_201_CREATED,
            headers={**NO_STORE, "Location": f"/api/schedules/{row.pk}/"},
        )


class ScheduleApi(APIView):
    """One schedule."""

    permission_classes = (CanManageSchedules,)

    @extend_schema(responses=ScheduleSerializer, operation_id="schedule")
    def get(self, request: Request, schedule_id: int) -> Response:  # noqa: ARG002 (DRF's signature)
        """Return a schedule, or 404."""
        return Response(ScheduleSerializer(_schedule(schedule_id)).data, headers=NO_STORE)

    @extend_schema(
        request=ScheduleRequestSerializer(partial=True), responses=ScheduleSerializer, operation_id="change_schedule"
    )
    def patch(self, request: Request, schedule_id: int) -> Response:
        """Change the given fields. Return the changed schedule."""
        row = _schedule(schedule_id)
        fields = ScheduleRequestSerializer(row, data=request.data, partial=True)
        fields.is_valid(raise_exception=True)
        _apply(row, fields.validated_data)
        return Response(ScheduleSerializer(_schedule(schedule_id)).data, headers=NO_STORE)

    @extend_schema(request=None, responses={204: None}, operation_id="delete_schedule")
    def delete(self, request: Request, schedule_id: int) -> Response:  # noqa: ARG002 (DRF's signature)
        """Delete a schedule. Return 204.

        409 ``comes_with_shop`` for a built-in schedule, because beat would create it again: disable it instead.
        """
        row = _schedule(schedule_id)
        if is_builtin(row):
            raise ProblemError(Problem.COMES_WITH_SHOP)
        row.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


def _schedule(schedule_id: int) -> PeriodicTask:
    found: PeriodicTask = get_object_or_404(PeriodicTask.objects.select_related("interval", "crontab"), pk=schedule_id)
    return found
