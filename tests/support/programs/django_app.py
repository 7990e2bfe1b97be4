# SPDX-License-Identifier: MIT
"""A Django project in one file: django_app:application for gunicorn, or

    django_app.py runserver --noreload ADDRESS:PORT
"""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

# As Django's documentation has it under "verbose".
VERBOSE = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"verbose": {"format": "{levelname} {asctime} {module} {process:d} {thread:d} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "verbose"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
settings.configure(DEBUG="VERBOSE" not in os.environ, SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
                   LOGGING=VERBOSE if "VERBOSE" in os.environ else {}, USE_TZ=True)


def ok(_):
    return HttpResponse("fine\n")


def fail(_):
    return HttpResponse(1 // 0)


urlpatterns = [path("ok", ok), path("fail", fail)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
