"""Celery: the application, its configuration, and tasks that fetch, call the domain, and retry. Nothing else."""

from celery_task.celery import app

__all__ = ["app"]
