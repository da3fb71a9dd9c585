"""Load tests: compare buffered orders with orders written inside the request. Measure, audit and report.

Layer: the highest; nothing imports it. The crowd (`loadtest.crowd`) uses a shop through HTTP only.
"""
