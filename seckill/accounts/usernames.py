"""User names: normalised by one function, so that every spelling of a name finds the same account."""

import re
import unicodedata
from typing import Any

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models

USERNAME_CHARS_MAX = 150  #: as typed, and again as stored: normalising makes up to 18 characters of one

# Letters, marks and numbers are allowed, by the first letter of their category in Unicode. Marks are needed for Indic
# names, and because lower-case "İ" is "i" and a mark. All other categories are refused: control and format characters
# (also those that change the direction of text), spaces, surrogates and unassigned code points, whose normal form a
# later version of Unicode may change.
ALLOWED_CATEGORIES = frozenset("LMN")
ALLOWED_SYMBOLS = frozenset("@.+-_")
# Letters and marks that are displayed as nothing (Unicode: Default_Ignorable_Code_Point).
INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def normalize_username(typed: str) -> str:
    """Return a user name as it is stored and compared: NFKC, without case.

    This is compatibility caseless matching (The Unicode Standard, section 3.13, D146), composed at the end. Applied
    twice it returns the same.

    A name that is longer than `USERNAME_CHARS_MAX` is returned as it is. No account can have it, and normalising long
    texts is slow on some systems (CVE-2025-27556).
    """
    if len(typed) > USERNAME_CHARS_MAX:
        return typed
    folded = unicodedata.normalize("NFD", typed).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded).casefold())


def validate_username(name: str) -> None:
    """Check a normalised name.

    Raises:
        ValidationError: the name is empty, starts with a mark, or has a character that is not allowed or not visible.
    """
    allowed = all(one in ALLOWED_SYMBOLS or unicodedata.category(one)[0] in ALLOWED_CATEGORIES for one in name)
    if not name or not allowed or INVISIBLE.search(name) or unicodedata.category(name[0])[0] == "M":
        raise ValidationError(UnicodeUsernameValidator.message, code="invalid")


class UsernameField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Column of normalised user names.

    Values are normalised when they are saved or validated and when they are compared, by ``exact`` and ``in``, in a
    query: whichever code looks an account up, it need not know the rule.
    """

    default_validators = [validate_username]

    def to_python(self, value: Any) -> Any:  # noqa: ANN401 (Django's signature)
        """Return the normalised name. Django also calls this for values of queries."""
        name = super().to_python(value)
        return normalize_username(name) if isinstance(name, str) else name

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ANN401, FBT001 (Django's signature)
        """Return the normalised name, and set it on the instance, so that both are the same."""
        name = super().pre_save(model_instance, add)
        if isinstance(name, str):
            name = normalize_username(name)
            setattr(model_instance, self.attname, name)
        return name
