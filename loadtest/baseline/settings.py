"""The product's settings with the baseline's URLs."""

from seckill.settings import *  # noqa: F403 (how Django's settings are extended)

ROOT_URLCONF = "loadtest.baseline.urls"
