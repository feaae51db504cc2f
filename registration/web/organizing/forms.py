"""The desk's forms: shape only."""

import re
from collections.abc import Callable
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import ValidationError

from ...languages import gettext as _
from ...services import passwords
from .. import fields
from ..fields import AddressField, AtMost, Needed

# A path below the desk, and nothing that a browser or a proxy could read as another.
_NEXT = re.compile(r"/organizer/(?:[a-z0-9-]+/?)*(?:\?[A-Za-z0-9=&_.~-]*)?")
MOST_CODE = 40


def sign_in() -> FlaskForm:
    """Return the form to sign in."""
    named: dict[str, Any] = {
        "email": AddressField(
            _("E-mail"),
            [Needed(_("Write the address with which you sign in.")), AtMost(fields.MOST_ADDRESS)],
            render_kw={"autocomplete": "username", "inputmode": "email"},
        ),
        "password": _password(_("Password"), "current-password"),
        "code": _code(_("Code from your app, or a recovery code")),
        "next": HiddenField(""),
    }
    return _bound("SignInForm", named, next=request.args.get("next", ""))


def invitation() -> FlaskForm:
    """Return the form that sets password and second factor."""

    def same(form: FlaskForm, field: Field) -> None:
        if field.data != form["password"].data:
            raise ValidationError(_("This is not the password above. Type both again."))

    named = {
        "password": _password(_("New password"), "new-password"),
        "again": _password(_("The password again"), "new-password", same),
        "code": _code(_("Code that the app shows now")),
    }
    return _bound("InvitationForm", named)


def safe_next(wanted: str) -> str:
    """Return the address below the desk that somebody wanted; the desk itself for any other."""
    return wanted if _NEXT.fullmatch(wanted) else "/organizer/"


def _password(label: str, autocomplete: str, *checks: Callable[..., None]) -> Any:
    return PasswordField(
        label,
        [Needed(_("Write the password.")), AtMost(passwords.MOST), *checks],
        render_kw={"autocomplete": autocomplete},
    )


def _code(label: str) -> Any:
    return StringField(
        label,
        [Needed(_("Write the code.")), AtMost(MOST_CODE)],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off"},
    )


def _bound(name: str, named: dict[str, Any], **held: Any) -> FlaskForm:
    posted = request.method == "POST"
    form: FlaskForm = type(name, (FlaskForm,), named)(
        formdata=request.form if posted else None, **held
    )
    return form
