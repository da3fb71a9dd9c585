"""Flash sale: a waiting line in front of a limited stock.

Layers, lowest first: environment, conf, errors, catalog, line, accounts, `orders`, monitoring, `celery_task`; then
gate, API and storefront; then the back office.
"""
