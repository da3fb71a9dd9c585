"""The crowd: Locust users that behave, and what they share. It knows a shop by HTTP only."""
