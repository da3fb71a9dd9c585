"""The web: Django behind the gate. JSON API, pages, admin."""
