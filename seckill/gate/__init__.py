"""The gate: the HTTP server of a web process. It responds to hot requests itself and forwards all others to Django.

Layer: above tasks (`celery_task`), which it sends, beside API and storefront.
"""
