"""Infrastructure of tasks and workers: base task, publishing, metrics, health. No module here defines a task.

Part of the task layer (`celery_task`).
"""
