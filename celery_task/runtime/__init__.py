"""Infrastructure of tasks and workers: base task, publishing, metrics, health. No module here is a kind of work.

Part of the task layer (`celery_task`).
"""
