"""Uploaded pictures. A proxy may serve MEDIA_ROOT instead (deploy/)."""

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
    """Return a picture, 304 or 404.

    The file is sent as one body: pictures are small, and Django can't stream a file under ASGI.
    """
    try:
        served = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    except SuspiciousFileOperation as error:  # a path outside MEDIA_ROOT
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
    """Return a picture from the database, because this host has no local copy yet."""
    picture = get_object_or_404(Picture, name=name)
    return HttpResponse(
        bytes(picture.content),
        content_type=mimetypes.guess_type(name)[0],
        headers={"Cache-Control": CACHE_CONTROL, "Last-Modified": http_date(picture.stored_at.timestamp())},
    )
