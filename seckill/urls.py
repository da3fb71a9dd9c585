"""URLs served by Django. The gate handles purchase, tickets and progress before they reach Django."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from seckill.monitoring.health import healthz, readyz
from seckill.monitoring.metrics import metrics
from seckill.storefront.media import media

handler500 = "seckill.api.exceptions.internal_error"
urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema")),
    path("api/", include("seckill.api.urls")),
    path("media/<path:path>", media),
    *i18n_patterns(path("", include("seckill.storefront.pages")), prefix_default_language=False),
]
