"""A locustfile that only calls: what can the load generator itself do here?"""

from locust import FastHttpUser, task


class Caller(FastHttpUser):
    """Asks for the constant reply, again and again."""

    @task
    def call(self) -> None:
        """One request."""
        self.client.get("/", name="constant")
