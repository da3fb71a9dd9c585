"""Uploaded pictures. A proxy may serve them from MEDIA_ROOT instead (deploy/)."""

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.static import serve


def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """One picture, or 304, or 404. Pictures are small: they are sent whole, which an event loop likes better."""
    try:
        served = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    except SuspiciousFileOperation as error:  # a path that leads out of the pictures: nothing is there
        raise Http404 from error
    if not isinstance(served, FileResponse):
        return served
    whole = HttpResponse(served.getvalue(), headers=dict(served.headers))
    served.close()
    whole.headers["Cache-Control"] = "public, max-age=300"
    return whole
