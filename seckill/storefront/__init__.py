"""The pages that buyers see.

Layer: above tasks (`celery_task`), beside API and gate; only the entry points and the back office are above.
"""
