"""The WSGI entry point, for `flask` and for any WSGI server (`wsgi:app`)."""

from registration import create_app

app = create_app()
