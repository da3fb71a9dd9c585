"""HTML page for 503: in all languages at once, and built without template, thread or database."""

from html import escape

from django.conf import settings

CONTENT_TYPE = "text/html; charset=utf-8"
SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

#: (language tag, title, advice). Not from ``locale/``, because no language is chosen when this page is sent.
TEXTS = (
    ("en", "The shop is very busy", "This page reloads automatically. If you are in line, your place is kept."),
    ("zh-Hans", "当前访问人数过多", "页面会自动刷新。如果您正在排队，您的排队号会保留。"),  # noqa: RUF001 (Chinese punctuation)
)


def _page() -> bytes:
    sections = "".join(
        f'<section lang="{language}"><h1>{escape(title)}</h1><p>{escape(advice)}</p></section>'
        for language, title, advice in TEXTS
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(TEXTS[0][1])}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{RETRY_SECONDS}">'
        "<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}</style>"
        f"{sections}</html>"
    ).encode()


RETRY_SECONDS: int = settings.POLL_AFTER_SECONDS
PAGE = _page()


def prefers_html(path: str, accept: str) -> bool:
    """Whether to respond with a page: the client accepts HTML and the path is not below ``/api/``."""
    return not path.startswith("/api/") and "text/html" in accept
