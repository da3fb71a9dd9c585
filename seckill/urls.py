"""Addresses served by Django; the gate takes purchase, tickets and progress before they get here."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.static import serve
from django_prometheus.exports import ExportToDjangoView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from seckill.web.health import healthz, readyz

handler500 = "seckill.web.exceptions.internal_error"
urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", ExportToDjangoView),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema")),
    path("api/", include("seckill.web.api_urls")),
    # Banner and product images. A proxy may serve them from MEDIA_ROOT instead (deploy/).
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    *i18n_patterns(path("", include("seckill.web.pages")), prefix_default_language=False),
]
