"""The desk's forms: shape only."""

import re
from collections.abc import Callable
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, PasswordField, SelectChoice, StringField
from wtforms.validators import ValidationError

from ...languages import gettext as _
from ...models import RegistrationStatus
from ...services import passwords
from ...services.cancelling import LONGEST_WHY
from .. import fields
from ..fields import AddressField, AtMost, CheckboxesField, ChoiceField, LineField, Needed

# A path below the desk, and nothing that a browser or a proxy could read as another.
_NEXT = re.compile(r"/organizer/(?:[a-z0-9-]+/?)*(?:\?[A-Za-z0-9=&_.~-]*)?")
MOST_CODE = 40
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


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


def cancel() -> FlaskForm:
    """Return the form that cancels a discussion."""
    named = {
        "why": LineField(
            _("Why"),
            [Needed(_("Say why: attendees and the page are told.")), AtMost(LONGEST_WHY)],
        )
    }
    return _bound("CancelForm", named)


def export(columns: list[str], partners: list[str], *, is_partner: bool) -> FlaskForm:
    """Return the form of an export: which columns and states, or for which partner."""

    states = [status.value for status in RegistrationStatus]
    signs = [
        SelectChoice("comma", _("a comma")),
        SelectChoice("semicolon", _("a semicolon, as Russian Excel wants it")),
        SelectChoice("tab", _("a tab")),
    ]
    nobody = [] if is_partner else [SelectChoice("", _("Nobody"))]
    named = {
        "states": _several(_("Who"), states),
        "columns": _several(_("Columns"), columns),
        "partner": ChoiceField(
            _("For a partner"),
            [lambda _form, field: fields.one_of(field, partners)],
            choices=[*nobody, *map(SelectChoice, partners)],
            validate_choice=False,
        ),
        "separator": ChoiceField(
            _("What stands between cells"),
            [
                Needed(_("Choose one.")),
                lambda _form, field: fields.one_of(field, list(SEPARATORS)),
            ],
            choices=signs,
            validate_choice=False,
        ),
        "password": _password(_("Password"), "current-password"),
        "code": _code(_("Code from your app, or a recovery code")),
    }
    coming = [RegistrationStatus.CONFIRMED.value, RegistrationStatus.WAITING.value]
    held = {"columns": columns, "states": coming, "partner": "", "separator": "comma"}
    return _bound("ExportForm", named, **held)


def _several(label: str, offered: list[str]) -> Any:
    def some(form: FlaskForm, field: Field) -> None:
        if not field.data and not form["partner"].data:
            raise ValidationError(_("Choose at least one."))
        fields.one_of(field, offered)

    some.field_flags = {"required": True}  # type: ignore[attr-defined]
    return CheckboxesField(label, [some], choices=offered, validate_choice=False)


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
