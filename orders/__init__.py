"""The ledger: the orders, and every operation that changes one. SQL decides how many units are sold.

Layer: above accounts and the line, below monitoring and tasks. It imports neither HTTP nor Celery, and sends no task.
"""
