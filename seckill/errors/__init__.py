"""Error responses shared by the gate, the API and the pages.

Layer: the lowest; imports no other part of the shop.
"""
