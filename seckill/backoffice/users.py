"""Users and groups in the admin: Django's own admin classes with unfold's look."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from seckill.accounts.models import User
from seckill.accounts.usernames import normalize_username

admin.site.unregister(Group)


class NewUserForm(UserCreationForm):
    """Django's form without its scan for taken names: the model's unique index finds them."""

    def clean_username(self) -> str | None:
        """Return the name. Django's method would compare it in upper case with every account, without an index."""
        name: str | None = self.cleaned_data.get("username")
        return name


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Registered buyers and staff."""

    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    show_full_result_count = False
    list_display = ("username", "buyer_id", "email", "is_active", "is_staff", "date_joined")
    search_fields = ("username", "email", "buyer_id")
    search_help_text = _("Search by user name, e-mail address or buyer")
    readonly_fields = ("buyer_id", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "buyer_id")}),
        (_("Contact"), {"fields": ("email", "phone", "language", "first_name", "last_name")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Return the accounts that match every word. Names are stored normalised, so the words are normalised too."""
        return super().get_search_results(request, queryset, normalize_username(search_term))


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups, which hold the permissions of staff."""
