"""Models of the catalog, re-exported for Django. Each model has its own module."""

from seckill.catalog.models.banner import Banner
from seckill.catalog.models.picture import PICTURE_MIB_MAX, Picture, check_picture_size
from seckill.catalog.models.product import Product
from seckill.catalog.models.sale import Sale

__all__ = ["PICTURE_MIB_MAX", "Banner", "Picture", "Product", "Sale", "check_picture_size"]
