"""The Celery application, its configuration, and thin tasks: fetch rows, call the domain, retry."""

from celery_task.celery import app

__all__ = ["app"]
