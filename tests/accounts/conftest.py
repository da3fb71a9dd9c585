"""Fixtures of the accounts' tests: those of the API's tests."""

from tests.web.conftest import _fast_passwords, _place_for_static_files, log_in

__all__ = ["_fast_passwords", "_place_for_static_files", "log_in"]
