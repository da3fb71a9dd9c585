"""Banner API: the carousel of the home page, served from the cache."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from seckill.catalog.banners import read_banners


class BannersApi(APIView):
    """The active banners, in order."""

    authentication_classes = ()  # same response for every caller: skip the session lookup

    @extend_schema_serializer(component_name="Banner")
    class OutputSerializer(serializers.Serializer[Any]):
        """One banner."""

        id = serializers.IntegerField()
        title = serializers.CharField()
        subtitle = serializers.CharField()
        image = serializers.URLField(help_text="absolute URL")
        sale = serializers.IntegerField(allow_null=True, help_text="id of the linked sale")

    @extend_schema(responses=OutputSerializer(many=True), operation_id="banners")
    def get(self, request: Request) -> Response:  # noqa: ARG002 (DRF's signature)
        """Return the active banners in order.

        ``X-Cache`` is ``hit`` or ``miss``. ``Age`` is the number of seconds since the list was read from the database.
        """
        listed = read_banners()
        return Response(
            listed.banners,
            headers={
                "X-Cache": "hit" if listed.hit else "miss",
                "Age": str(listed.age_seconds),
                "Cache-Control": "public, max-age=1",
                "Vary": "Accept",  # Accept may request indented JSON or another media type
            },
        )
