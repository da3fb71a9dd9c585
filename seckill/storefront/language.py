"""Language: pages say it in their address, the API and the admin ask the browser."""

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

ASKED = ("/api/", "/admin/")


class LanguageMiddleware(LocaleMiddleware):
    """Django's, which would take every address without a language in it for English."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose the language of one request."""
        request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)  # nobody sets it here, and no answer's Vary names it
        super().process_request(request)
        if request.path_info.startswith(ASKED):
            translation.activate(translation.get_language_from_request(request))
            request.LANGUAGE_CODE = translation.get_language()
