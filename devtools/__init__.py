"""Development tools: the demo, embedded servers, a picture generator. Not in the Docker image."""
