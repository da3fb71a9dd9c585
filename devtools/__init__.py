"""Development tools: the demo, embedded servers, a picture generator. Not in the Docker image.

Layer: above the whole shop, which does not import it; below the load tests.
"""
