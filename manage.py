#!/usr/bin/env python
"""Django's command line; ``./manage.py help`` lists all commands."""

import os
import sys

from django.core.management import execute_from_command_line

from seckill.management.running_demo import use_running_demo

if __name__ == "__main__":
    use_running_demo(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seckill.settings")
    execute_from_command_line(sys.argv)
