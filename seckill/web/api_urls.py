"""The JSON API behind the gate, which answers some of these calls itself (`seckill.gate.request.call_of`)."""

from django.urls import path, re_path

from seckill.web import gate_schema  # noqa: F401 (DRF-spectacular learns session and pass by importing it)
from seckill.web.account_api import LoginApi, LogoutApi, MeApi, RegisterApi
from seckill.web.banner_api import BannersApi
from seckill.web.export_api import ExportApi, ExportFileApi, ExportsApi
from seckill.web.order_api import CancelApi, OrderApi, OrdersApi, PayApi
from seckill.web.sale_api import PassApi, SaleApi, SalesApi, SyncPurchaseApi
from seckill.web.schedule_api import ScheduleApi, SchedulesApi
from seckill.web.unknown_api import UnknownApi

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
    re_path("", UnknownApi.as_view()),
]
