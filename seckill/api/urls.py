"""Routes of the JSON API. The gate serves some of these paths itself (`seckill.gate.request.match_route`)."""

from django.urls import path, re_path

from seckill.api import gate_schema  # noqa: F401 (registers the security schemes with drf-spectacular)
from seckill.api.accounts import LoginApi, LogoutApi, MeApi, RegisterApi
from seckill.api.banners import BannersApi
from seckill.api.exports import ExportApi, ExportFileApi, ExportsApi
from seckill.api.not_found import NotFoundApi
from seckill.api.orders import CancelApi, OrderApi, OrdersApi, PayApi
from seckill.api.sales import PassApi, SaleApi, SalesApi, SyncPurchaseApi
from seckill.api.schedules import ScheduleApi, SchedulesApi

urlpatterns = [
    path("auth/register", RegisterApi.as_view()),
    path("auth/login", LoginApi.as_view()),
    path("auth/logout", LogoutApi.as_view()),
    path("auth/me", MeApi.as_view()),
    path("banners/", BannersApi.as_view()),
    path("sales/", SalesApi.as_view()),
    path("sales/<int:sale_id>/", SaleApi.as_view()),
    path("sales/<int:sale_id>/pass", PassApi.as_view()),
    path("sales/<int:sale_id>/purchase/sync", SyncPurchaseApi.as_view()),
    path("orders/", OrdersApi.as_view()),
    path("orders/<str:number>/", OrderApi.as_view()),
    path("orders/<str:number>/pay", PayApi.as_view()),
    path("orders/<str:number>/cancel", CancelApi.as_view()),
    path("exports/", ExportsApi.as_view()),
    path("exports/<uuid:export_id>/", ExportApi.as_view()),
    path("exports/<uuid:export_id>/file", ExportFileApi.as_view()),
    path("schedules/", SchedulesApi.as_view()),
    path("schedules/<int:schedule_id>/", ScheduleApi.as_view()),
    re_path("", NotFoundApi.as_view()),
]
