"""The baseline: a flash sale the way tutorials build one. One message, one decrement and one INSERT for each purchase.

Correct, but plain. It shares the product's models, settings, pages and passes, so that the two differ in how a purchase
travels and in nothing else.
"""
