"""System checks: relations between settings, constants and variables that must hold. ``manage.py check`` runs them.

``manage.py migrate`` runs them too, so a deployment stops at an error before the new code starts.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 (Django's name)

from seckill.environment import READ_ELSEWHERE, env, unknown_variables


@register
def check_variables(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Warn about each variable with our prefix that nothing reads: most likely a misspelt or former name."""
    return [
        Warning(
            f"The environment variable {name} is unknown.",
            hint=f"Did you mean {close[0]}?"
            if (close := get_close_matches(name, env.names | READ_ELSEWHERE, n=1))
            else "All variables are listed in .env.example.",
            id="seckill.W001",
        )
        for name in unknown_variables()
    ]
