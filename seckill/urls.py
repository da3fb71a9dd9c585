"""Addresses served by Django; the gate takes purchase, tickets and progress before they get here."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from seckill.web.health import healthz, readyz
from seckill.web.media import media
from seckill.web.metrics import metrics

handler500 = "seckill.web.exceptions.internal_error"
urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema")),
    path("api/", include("seckill.web.api_urls")),
    path("media/<path:path>", media),
    *i18n_patterns(path("", include("seckill.web.pages")), prefix_default_language=False),
]
