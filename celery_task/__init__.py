"""The Celery application, its configuration, and thin tasks: fetch rows, call the domain, retry.

Layer: above the ledger (`orders`) and alerts, below gate, API and back office, which send tasks.
"""

from celery_task.celery import app

__all__ = ["app"]
