"""The WSGI entry point, for `flask` and for any WSGI server (`wsgi:app`)."""

import sys

from registration import create_app
from registration.config import SettingsRefused

try:
    app = create_app()
except SettingsRefused as refused:
    sys.exit(str(refused))
