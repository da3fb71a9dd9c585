"""Errors: what every kind of failed request is answered with, shared by the gate, the API and the pages."""
