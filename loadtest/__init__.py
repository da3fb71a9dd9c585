"""Load tests: what buffering buys against doing the work inside the request, measured, audited and reported."""
