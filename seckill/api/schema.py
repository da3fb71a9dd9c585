"""OpenAPI document, generated once per language."""

import threading
from typing import Any

from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request


class CachedGenerator(SchemaGenerator):
    """Generate the document once per language. Generation takes as long as five pages and is not thread-safe."""

    _making = threading.Lock()
    _made: dict[str | None, dict[str, Any]] = {}

    def get_schema(self, request: Request | None = None, public: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 (the base class' signature)
        """Return the cached document. Without a request (the ``spectacular`` command) generate a new one."""
        if request is None:
            document: dict[str, Any] = super().get_schema(request, public)
            return document
        language = get_language()
        with self._making:
            if language not in self._made:
                self._made[language] = super().get_schema(request, public)
            return self._made[language]
