"""Export API: orders as CSV, either in the response (few orders) or as a job with progress.

For staff with the permission to view orders.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from celery_task.export_task import cancel_export, enqueue
from orders.export import (
    UNFINISHED_MAX,
    TooManyExportsError,
    TooManyOrdersError,
    export_now,
    files_exist,
    iter_chunks,
    request_export,
)
from orders.models import Export, Order
from seckill.api.cache_control import NO_STORE
from seckill.api.exceptions import ProblemError
from seckill.api.export_state import ExportState, state_of
from seckill.api.permissions import CanViewOrders
from seckill.catalog.models import Sale
from seckill.errors.problems import Problem

CSV = "text/csv"


@extend_schema_serializer(component_name="ExportRequest")
class ExportRequestSerializer(serializers.Serializer[Any]):
    """Filters of an export. A missing field does not filter."""

    sale = serializers.PrimaryKeyRelatedField(queryset=Sale.objects.all(), required=False, allow_null=True)
    statuses = serializers.ListField(
        child=serializers.ChoiceField(choices=Order.Status.choices), required=False, max_length=len(Order.Status)
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the field ``from``, which can't be a class attribute because it is a Python keyword."""
        days = {
            "from": serializers.DateField(source="first_day", required=False, allow_null=True),
            "to": serializers.DateField(source="last_day", required=False, allow_null=True),
        }
        return super().get_fields() | days

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject a last day before the first day."""
        first, last = attrs.get("first_day"), attrs.get("last_day")
        if first and last and last < first:
            raise serializers.ValidationError({"to": [_("The end date is before the start date.")]})
        return attrs


@extend_schema_serializer(component_name="Export")
class ExportSerializer(serializers.ModelSerializer[Export]):
    """An export and its progress."""

    @extend_schema_serializer(component_name="ExportResult")
    class ResultSerializer(serializers.Serializer[Any]):
        """The exported file."""

        rows = serializers.IntegerField()
        file = serializers.CharField(help_text="URL of the CSV file")

    state = serializers.SerializerMethodField()
    percent = serializers.IntegerField(help_text="0 to 100")
    total = serializers.IntegerField(allow_null=True, help_text="number of orders; null until they are counted")
    result = serializers.SerializerMethodField(help_text="null until the export is done")
    error = serializers.CharField(help_text="why the export failed")

    class Meta:
        model = Export
        fields = ("id", "state", "requested_at", "rows", "total", "percent", "result", "error")

    @extend_schema_field(serializers.ChoiceField(choices=[state.value for state in ExportState]))
    def get_state(self, export: Export) -> str:
        """Return the state."""
        return state_of(export).value

    @extend_schema_field(ResultSerializer(allow_null=True))
    def get_result(self, export: Export) -> dict[str, Any] | None:
        """Return row count and file address of a finished export, else None."""
        if export.result != Export.Result.DONE:
            return None
        return {"rows": export.rows, "file": f"/api/exports/{export.pk}/file"}


class CsvRenderer(JSONRenderer):
    """Allow ``Accept: text/csv``. Problem documents are still rendered as JSON."""

    media_type = CSV
    format = "csv"


class ExportView(APIView):
    """Base view on the caller's own exports. Superusers have access to all exports."""

    permission_classes = (CanViewOrders,)
    renderer_classes = (JSONRenderer, CsvRenderer)

    def export(self, request: Request, export_id: UUID) -> Export:
        """Return the export.

        Raises:
            Http404: It does not exist or belongs to another user.
        """
        return get_object_or_404(exports_of(request.user), pk=export_id)


def exports_of(user: Any) -> QuerySet[Export]:  # noqa: ANN401 (DRF types request.user so)
    """Return the exports that the user may see: their own, or all for a superuser."""
    return Export.objects.all() if user.is_superuser else Export.objects.filter(requested_by=user)


def start_export(user: Any, wanted: dict[str, Any]) -> Export:  # noqa: ANN401 (as above)
    """Create and enqueue an export. ``wanted`` is the validated data of an `ExportRequestSerializer`.

    Raises:
        TooManyExportsError: The user has `UNFINISHED_MAX` unfinished exports.
    """
    export = Export(requested_by=user, **wanted)
    request_export(export)
    enqueue(export)
    return export


class ExportsApi(ExportView):
    """Request an export."""

    @extend_schema(
        request=ExportRequestSerializer,
        parameters=[
            OpenApiParameter(
                "async",
                bool,
                description="1: export in the background; otherwise respond with the CSV, at most 10,000 orders",
            )
        ],
        responses={
            202: ExportSerializer,
            (200, CSV): OpenApiResponse(OpenApiTypes.STR, "the orders, oldest first"),
        },
        operation_id="export_orders",
    )
    def post(self, request: Request) -> HttpResponse:
        """Export orders.

        As a job: 202 with the export, or 429 ``too_many_exports``. Otherwise: 200 with the CSV, or 409
        ``too_many_orders``. A job is accepted even while the broker is down. It starts within minutes of the broker's
        return.
        """
        fields = ExportRequestSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        as_job = serializers.BooleanField().run_validation(request.query_params.get("async", "0"))
        if not as_job:
            try:
                content = export_now(Export(**fields.validated_data))
            except TooManyOrdersError as error:
                raise ProblemError(Problem.TOO_MANY_ORDERS) from error
            return HttpResponse(content, headers=_headers(f"orders-{timezone.localdate()}.csv"))
        try:
            export = start_export(request.user, fields.validated_data)
        except TooManyExportsError as error:
            raise ProblemError(Problem.TOO_MANY_EXPORTS, unfinished_max=UNFINISHED_MAX) from error
        return Response(
            ExportSerializer(export).data,
            status=status.HTTP_202_ACCEPTED,
            headers=NO_STORE | {"Location": f"/api/exports/{export.pk}/", "Retry-After": "1"},
        )


class ExportApi(ExportView):
    """One export."""

    @extend_schema(responses=ExportSerializer, operation_id="export")
    def get(self, request: Request, export_id: UUID) -> Response:
        """Return an export, or 404."""
        return Response(ExportSerializer(self.export(request, export_id)).data, headers=NO_STORE)

    @extend_schema(responses={200: ExportSerializer}, operation_id="cancel_export")
    def delete(self, request: Request, export_id: UUID) -> Response:
        """Cancel an export. Return 200 with the export. Its state shows whether it had ended before."""
        export = self.export(request, export_id)
        cancel_export(export)
        return Response(ExportSerializer(export).data, headers=NO_STORE)


class ExportFileApi(ExportView):
    """The file of an export."""

    @extend_schema(
        responses={(200, CSV): OpenApiResponse(OpenApiTypes.STR, "the orders, oldest first")},
        operation_id="export_file",
    )
    def get(self, request: Request, export_id: UUID) -> StreamingHttpResponse:
        """Return the CSV as an attachment.

        409 ``export_not_done`` until the export is done. 404 if the export or its file does not exist.
        """
        export = self.export(request, export_id)
        if export.result != Export.Result.DONE:
            raise ProblemError(Problem.EXPORT_NOT_DONE, state=state_of(export).value)
        if not files_exist(export):
            raise ProblemError(Problem.NOT_FOUND, "The file no longer exists.")
        name = f"orders-{timezone.localdate(export.requested_at)}-{str(export.pk)[:8]}.csv"
        content = _close_db_first(iter_chunks(export))
        as_asgi = isinstance(request._request, ASGIRequest)  # noqa: SLF001 (DRF's way to Django's request)
        return StreamingHttpResponse(_aiter(content) if as_asgi else content, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    disposition = f'attachment; filename="{name}"'
    return NO_STORE | {"Content-Type": f"{CSV}; charset=utf-8", "Content-Disposition": disposition}


def _close_db_first(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks. Close the database connection first, so that a slow client does not hold it."""
    connection.close()
    yield from content


async def _aiter(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Convert the chunks to an async iterator. Under ASGI Django reads a sync iterator to its end before it sends."""
    following = sync_to_async(lambda: next(content, None))
    while (piece := await following()) is not None:
        yield piece
