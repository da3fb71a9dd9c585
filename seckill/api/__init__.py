"""JSON API behind the gate, one file per noun.

Layer: above tasks (`celery_task`), beside gate and storefront; only the entry points and the back office are above.
"""
