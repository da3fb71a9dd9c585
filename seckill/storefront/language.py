"""Language selection: by URL prefix for pages, by Accept-Language for the API and the admin."""

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

UNPREFIXED_PATHS = ("/api/", "/admin/")


class LanguageMiddleware(LocaleMiddleware):
    """LocaleMiddleware that takes the language of API and admin from Accept-Language.

    Django's own assumes English for every path without a language prefix.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Activate the language of the request."""
        request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)  # never set here, and in no Vary
        super().process_request(request)
        if request.path_info.startswith(UNPREFIXED_PATHS):
            translation.activate(translation.get_language_from_request(request))
            request.LANGUAGE_CODE = translation.get_language()
