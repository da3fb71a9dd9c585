"""The user model: accounts of buyers and staff."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seckill.accounts.usernames import USERNAME_CHARS_MAX, UsernameField, normalize_username
from seckill.line.buyers import BUYER_CHARS_MAX, new_account_id

E164_CHARS_MAX = 16  # "+" and 15 digits (ITU-T E.164)
LANGUAGE_CHARS_MAX = 16


def languages() -> list[tuple[str, str | Promise]]:
    """Return the choices of a language. A function, because a change of ``LANGUAGES`` needs no migration then."""
    return list(settings.LANGUAGES)


class User(AbstractUser):
    """An account of a buyer or of staff.

    E-mail address and phone number are optional and not verified, so several accounts may have the same.
    """

    username = UsernameField(
        _("username"),
        max_length=USERNAME_CHARS_MAX,
        unique=True,
        help_text=_("Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only."),
        error_messages={"unique": _("A user with that username already exists.")},
    )
    #: the buyer in passes, line and ledger; random, and never changed
    buyer_id = models.CharField(
        _("buyer"), max_length=BUYER_CHARS_MAX, unique=True, default=new_account_id, editable=False
    )
    phone = models.CharField(
        _("phone number"),
        max_length=E164_CHARS_MAX,
        blank=True,
        validators=[
            RegexValidator(
                r"\A\+[1-9][0-9]{6,14}\Z",
                _("Enter a phone number with its country code and without spaces, such as +12125550123."),
            )
        ],
    )
    #: for messages to the user; empty: not chosen. Pages follow the browser, as they are the same for all visitors
    language = models.CharField(_("language"), max_length=LANGUAGE_CHARS_MAX, choices=languages, blank=True)

    REQUIRED_FIELDS = []  # `createsuperuser` would demand an e-mail address

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Return the name as it is stored. Django's manager and forms call this."""
        return normalize_username(username)
