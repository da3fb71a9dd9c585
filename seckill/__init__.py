"""Flash sale: a waiting line in front of a limited stock.

Layers, lowest first; each imports only those before it, and `lint-imports` checks it:

1. errors, timestamps, rate
2. catalog, then line, then accounts
3. `orders`: the ledger
4. monitoring (alerts, logs)
5. `celery_task`
6. gate, api, storefront, and monitoring's health and metrics
7. backoffice
8. asgi, wsgi, urls, management
"""
