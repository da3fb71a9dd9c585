"""Cache-Control headers of the API's responses."""

#: For personal responses, which no cache may store.
NO_STORE = {"Cache-Control": "no-store"}
