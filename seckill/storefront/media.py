"""Uploaded pictures. A proxy may serve them from MEDIA_ROOT instead (deploy/)."""

import mimetypes

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import http_date
from django.views.static import serve

from seckill.catalog.models import Picture

CACHE_CONTROL = "public, max-age=300"


def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """One picture, or 304, or 404. Pictures are small: they are sent whole, which an event loop likes better."""
    try:
        served = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    except SuspiciousFileOperation as error:  # a path that leads out of the pictures: nothing is there
        raise Http404 from error
    except Http404:
        return _serve_from_db(path)
    if not isinstance(served, FileResponse):
        return served
    whole = HttpResponse(served.getvalue(), headers=dict(served.headers))
    served.close()
    whole.headers["Cache-Control"] = CACHE_CONTROL
    return whole


def _serve_from_db(name: str) -> HttpResponse:
    """A picture whose copy has not been written on this host yet."""
    picture = get_object_or_404(Picture, name=name)
    return HttpResponse(
        bytes(picture.content),
        content_type=mimetypes.guess_type(name)[0],
        headers={"Cache-Control": CACHE_CONTROL, "Last-Modified": http_date(picture.stored_at.timestamp())},
    )
