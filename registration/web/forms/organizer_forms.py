"""The desk's forms: shape only."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    FileField,
    HiddenField,
    PasswordField,
    SelectChoice,
    StringField,
)
from wtforms.validators import ValidationError

from ...mail import placeholders
from ...models import Group, RegistrationStatus, Wording
from ...services.discussions.cancellation import MAX_REASON_CHARACTERS
from ...services.organizers import passwords
from ...services.registrations import register
from ...text.languages import gettext as _
from . import fields
from .fields import AddressField, AtMost, CheckboxesField, ChoiceField, LineField, LongField, Needed

# A path below the desk, and nothing that a browser or a proxy could read as another.
_NEXT = re.compile(r"/organizer/[a-z0-9/-]*(?:\?[A-Za-z0-9=&_.~%+-]*)?")
_LONGEST_NEXT = 500
MOST_CODE = 40
MOST_SUBJECT = 200
MOST_TEXT = 10_000
_VERSION = re.compile(r"[0-9]{1,9}")
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
    named = {
        "password": _password(_("New password"), "new-password"),
        "again": _password(_("The password again"), "new-password", _same_as("password")),
        "code": _code(_("Code that the app shows now")),
    }
    return _bound("InvitationForm", named)


def password() -> FlaskForm:
    """Return the form that changes the password."""
    named = {
        "password": _password(_("Password until now"), "current-password"),
        "code": _code(_("Code from your app, or a recovery code")),
        "new": _password(_("New password"), "new-password"),
        "again": _password(_("The new password again"), "new-password", _same_as("new")),
    }
    return _bound("PasswordForm", named)


def _same_as(name: str) -> Callable[[FlaskForm, Field], None]:
    def check(form: FlaskForm, field: Field) -> None:
        if field.data != form[name].data:
            raise ValidationError(_("This is not the password above. Type both again."))

    return check


def cancel() -> FlaskForm:
    """Return the form that cancels a discussion."""
    named = {
        "why": LineField(
            _("Why"),
            [Needed(_("Say why: attendees and the page are told.")), AtMost(MAX_REASON_CHARACTERS)],
        ),
        "version": HiddenField(""),
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
    held: dict[str, Any] = {"columns": columns, "states": coming}
    held |= {"partner": "", "separator": "comma"}
    return _bound("ExportForm", named, **held)


def search() -> FlaskForm:
    """Return the form that searches the attendees."""
    named = {"search": LineField(_("Search"), [AtMost(register.MAX_NAME_CHARACTERS)])}
    return _bound("SearchForm", named)


def correction() -> FlaskForm:
    """Return the form that corrects an attendee's address."""
    named = {
        "email": AddressField(
            _("The right address"),
            [Needed(_("Write the address.")), AtMost(fields.MOST_ADDRESS)],
            render_kw={"autocomplete": "off", "inputmode": "email"},
        )
    }
    return _bound("CorrectionForm", named)


def sheet() -> FlaskForm:
    """Return the form that takes a CSV of attendees; held back until it is looked over."""
    named = {
        "sheet": FileField(_("The CSV"), render_kw={"accept": ".csv,.txt,text/csv"}),
        "is_told": BooleanField(
            _("Write to everybody who is added, to tell them where they stand")
        ),
    }
    return _bound("SheetForm", named, is_told=True)


def _several(label: str, offered: list[str]) -> Any:
    def some(form: FlaskForm, field: Field) -> None:
        if not field.data and not form["partner"].data:
            raise ValidationError(_("Choose at least one."))
        fields.one_of(field, offered)

    some.field_flags = {"required": True}  # type: ignore[attr-defined]
    return CheckboxesField(label, [some], choices=offered, validate_choice=False)


def circular(offered: Mapping[Group, int | None], *, join_url: str, **held: Any) -> FlaskForm:
    """Return the form of a circular, to the groups `offered`, each with its size, if that may be
    told; `join_url` is the link to join, if there is one."""

    def some(_form: FlaskForm, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Choose at least one."))
        fields.one_of(field, [group.value for group in offered])

    some.field_flags = {"required": True}  # type: ignore[attr-defined]
    words = _groups()
    choices = [
        SelectChoice(group.value, words[group] if count is None else f"{words[group]} ({count})")
        for group, count in offered.items()
    ]
    named = {
        "groups": CheckboxesField(_("To whom"), [some], choices=choices, validate_choice=False),
        "subject": LineField(
            _("Subject"),
            [Needed(_("Write a subject.")), AtMost(MOST_SUBJECT), _filled_in(in_subject=True)],
        ),
        "text": LongField(
            _("Text"),
            [
                Needed(_("Write what the letter says.")),
                AtMost(MOST_TEXT),
                _filled_in(),
                _links_to_seats(join_url),
            ],
            render_kw={"rows": 14},
        ),
        "version": HiddenField(""),
    }
    return _bound("CircularForm", named, **held)


def seen(version: int | None = None) -> FlaskForm:
    """Return the form of a button that is about one version of something."""
    return _bound("SeenForm", {"version": HiddenField("")}, version=version)


def version_of(form: FlaskForm) -> int:
    """Return which version was seen; 0, which none has, for what is no number."""
    typed = str(form["version"].data or "")
    return int(typed) if _VERSION.fullmatch(typed) else 0


def _groups() -> dict[Group, str]:
    return {
        Group.CONFIRMED: _("Those who have a seat"),
        Group.WAITING: _("Those on the waiting list"),
        Group.ATTENDED: _("Those marked as attended"),
        Group.ABSENT: _("Those who had a seat and are not marked as attended"),
    }


def _filled_in(*, in_subject: bool = False) -> Callable[..., None]:
    """Refuse what looks like a placeholder and is none."""
    allowed = placeholders.IN_SUBJECT if in_subject else placeholders.NAMES

    def check(_form: FlaskForm, field: Field) -> None:
        wrong = placeholders.find_unknown(field.data or "", allowed)
        if wrong is not None:
            names = ", ".join(map(placeholders.as_typed, allowed))
            sentence = _("There is no %(wrong)s here; there are %(names)s.")
            raise ValidationError(sentence % {"wrong": wrong, "names": names})

    return check


def _links_to_seats(join_url: str) -> Callable[..., None]:
    """Refuse a link to join that some who get the letter must not have, or that is not there."""

    def check(form: FlaskForm, field: Field) -> None:
        asks = placeholders.has_link_placeholder(field.data or "")
        if not placeholders.has_link(Wording("", form["subject"].data, field.data or ""), join_url):
            return
        link = {"link": placeholders.as_typed("join_link") if asks else join_url}
        if not join_url:
            raise ValidationError(
                _("This discussion has no link to join: take %(link)s out.") % link
            )
        if Group.WAITING in form["groups"].data:
            sentence = _(
                "Who waits has no seat, and gets no link to join: take %(link)s out, or write to "
                "them apart."
            )
            raise ValidationError(sentence % link)

    return check


def safe_next(wanted: str) -> str:
    """Return the address below the desk that somebody wanted; the desk itself for any other."""
    is_ours = len(wanted) <= _LONGEST_NEXT and _NEXT.fullmatch(wanted) and "//" not in wanted
    return wanted if is_ours else "/organizer/"


def _password(label: str, autocomplete: str, *checks: Callable[..., None]) -> Any:
    return PasswordField(
        label,
        [Needed(_("Write the password.")), AtMost(passwords.MAX_CHARACTERS), *checks],
        render_kw={"autocomplete": autocomplete},
    )


def _code(label: str) -> Any:
    return StringField(
        label,
        [Needed(_("Write the code.")), AtMost(MOST_CODE)],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off"},
    )


def _bound(name: str, named: dict[str, Any], **held: Any) -> FlaskForm:
    form: FlaskForm = type(name, (FlaskForm,), named)(
        formdata=request.form if request.method == "POST" else None, **held
    )
    return form
