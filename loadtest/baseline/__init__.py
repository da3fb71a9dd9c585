"""The baseline: a flash sale as tutorials build it, with one message, one decrement and one INSERT per purchase.

It is correct but not optimised. It shares the product's models, settings, pages and passes, so that the two differ only
in how they handle a purchase.
"""
