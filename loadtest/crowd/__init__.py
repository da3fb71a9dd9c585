"""The crowd: Locust users that behave like buyers, and their shared data. It uses a shop through HTTP only."""
