"""Load tests: compare buffered orders with orders written inside the request. Measure, audit and report."""
