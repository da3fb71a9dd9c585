"""A locustfile that sends a single request repeatedly, to measure the load generator itself."""

from locust import FastHttpUser, task


class Caller(FastHttpUser):
    """Requests the constant response repeatedly."""

    @task
    def call(self) -> None:
        """Send one request."""
        self.client.get("/", name="constant")
