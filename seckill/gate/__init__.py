"""The gate: the HTTP server of a web process.

It serves the most frequent requests (purchases, polls, progress, passes, who-am-I) itself and forwards all others to
Django.

Layer: above tasks (`celery_task`), which it sends, beside API and storefront.
"""
