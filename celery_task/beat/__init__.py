"""Beat: the built-in schedules, the validation of edited ones, and a scheduler with leader election.

Part of the task layer (`celery_task`).
"""
