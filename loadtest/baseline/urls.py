"""The product's URLs, with purchases and tickets served by the baseline."""

from django.urls import path

from loadtest.baseline.views import PurchaseApi, TicketApi
from seckill.urls import urlpatterns as product_urlpatterns

handler500 = "seckill.api.exceptions.internal_error"
urlpatterns = [
    path("api/sales/<int:sale_id>/purchase", PurchaseApi.as_view()),
    path("api/tickets/<str:ticket>", TicketApi.as_view()),
    *product_urlpatterns,
]
