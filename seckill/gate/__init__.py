"""The gate: the ASGI fast lane in front of Django. Purchase, ticket and progress; everything else passes by."""
