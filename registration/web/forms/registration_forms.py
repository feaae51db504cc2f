"""The forms: shape only. What is typed becomes an `Entry`; nothing here asks the database."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app, request
from flask_wtf import FlaskForm
from itsdangerous import BadSignature, Signer
from wtforms import BooleanField, Field, HiddenField, SelectChoice, StringField
from wtforms.validators import ValidationError

from ...models import Answer, Attendee, Content, Question, Sharing
from ...services.registrations import register
from ...services.registrations.register import Entry
from ...text.languages import gettext as _
from ...text.languages import language
from . import fields
from .fields import (
    AddressField,
    AtMost,
    CheckboxesField,
    ChoiceField,
    LineField,
    LongField,
    Needed,
    ZoneField,
)

# Nobody reads and fills the form faster; programs do.
FASTEST = timedelta(seconds=2)
QUESTION = "question_"
SHARING = "sharing_"


class ButtonForm(FlaskForm):
    """A button and its CSRF token."""


class AddressForm(FlaskForm):
    """An address, to send the personal link to."""


class EntryForm(FlaskForm):
    """Name, address, affiliation and the discussion's questions; the base of both forms."""

    content: Content

    def question_fields(self) -> list[tuple[Question, Field]]:
        """Return each question with its field, in the file's order."""
        return [(item, self[QUESTION + item.key]) for item in self.content.questions]

    def sharing_fields(self) -> list[tuple[Sharing, Field]]:
        """Return each partner's wish with its checkbox."""
        return [(item, self[f"{SHARING}{n}"]) for n, item in enumerate(self.content.sharing)]

    def entry(self) -> Entry:
        """Return what was typed; only after `validate()`."""
        answers: dict[str, Answer] = {
            question.key: field.data for question, field in self.question_fields() if field.data
        }
        shared_with = [asdict(item) for item, field in self.sharing_fields() if field.data]
        return Entry(
            name=self["name"].data,
            address=self["email"].address,
            affiliation=self["affiliation"].data,
            answers=answers,
            shared_with=shared_with,
            language=language(),
            zone=self["zone"].data,
            wants_follow_up=self["follow_up"].data,
        )


def registration(content: Content, now: datetime) -> EntryForm:
    """Return the registration form of a discussion, with its traps for programs."""
    kind = type("RegistrationForm", (EntryForm,), _entry_fields(content) | _trap_fields(now))
    form: EntryForm = _bound(kind, _signed(now))
    return form


def change(
    content: Content, attendee: Attendee, *, zone: str | None, wants_follow_up: bool
) -> EntryForm:
    """Return the form that changes a registration, filled with what is held."""
    kind = type("ChangeForm", (EntryForm,), _entry_fields(content))
    held: dict[str, Any] = {
        "name": attendee.name,
        "email": attendee.new_address or attendee.address,
        "affiliation": attendee.affiliation,
        "zone": zone,
        "follow_up": wants_follow_up,
    }
    held |= {QUESTION + key: answer for key, answer in attendee.answers.items()}
    for number, item in enumerate(content.sharing):
        held[f"{SHARING}{number}"] = attendee.has_agreed(item)
    form: EntryForm = _bound(kind, None, **held)
    return form


def by_hand(content: Content) -> EntryForm:
    """Return the form in which an organizer adds somebody: no question needs an answer, and nobody
    agrees to sharing for another."""
    asked = [replace(item, required=False) for item in content.questions]
    lenient = replace(content, questions=asked, sharing=[])
    form: EntryForm = _bound(type("ByHandForm", (EntryForm,), _entry_fields(lenient)), None)
    return form


def address(now: datetime) -> FlaskForm:
    """Return the form that asks for one's personal link."""
    named = {"email": _email()} | _trap_fields(now)
    return _bound(type("FindForm", (AddressForm,), named), _signed(now))


def button() -> ButtonForm:
    """Return the form of one button."""
    form: ButtonForm = _bound(ButtonForm, None)
    return form


def is_stale(form: FlaskForm) -> bool:
    """Whether the CSRF check failed: the page was open for too long, or no cookie came back."""
    return bool(form.csrf_token.errors)


def _bound(kind: type[Any], opened: str | None, **held: Any) -> Any:
    posted = request.method == "POST"
    # Only a form's own encodings: Flask-WTF would take JSON of any shape too.
    form = kind(formdata=request.form if posted else None, **held)
    if opened and not posted:
        form.opened.data = opened
    return form


def _entry_fields(content: Content) -> dict[str, Any]:
    named: dict[str, Any] = {
        "content": content,
        "name": LineField(
            _("Name"),
            [Needed(_("Write a name; a pseudonym is fine.")), AtMost(register.MAX_NAME_CHARACTERS)],
            render_kw={"autocomplete": "name"},
        ),
        "email": _email(),
        "affiliation": LineField(
            _("Affiliation"),
            [AtMost(register.MAX_NAME_CHARACTERS)],
            render_kw={"autocomplete": "organization"},
        ),
    }
    named |= {
        "zone": ZoneField(_("Letters state the time in my zone, too")),
        "follow_up": BooleanField(_("Write to me when there is a recording or a summary.")),
    }
    named |= {QUESTION + item.key: _question(item) for item in content.questions}
    for number, item in enumerate(content.sharing):
        named[f"{SHARING}{number}"] = BooleanField(item.partner)
    return named


def _email() -> AddressField:
    return AddressField(
        _("E-mail"),
        [
            Needed(_("Write the e-mail address that the letters go to.")),
            AtMost(fields.MOST_ADDRESS),
        ],
        render_kw={"autocomplete": "email", "inputmode": "email"},
    )


def _question(item: Question) -> Field:
    kinds: dict[str, Callable[..., Any]] = {
        "line": lambda checks: LineField(
            item.label, [*checks, AtMost(register.MAX_LINE_CHARACTERS)]
        ),
        "long": lambda checks: LongField(
            item.label, [*checks, AtMost(register.MAX_LONG_CHARACTERS)]
        ),
        "yes": lambda checks: BooleanField(item.label, checks),
        "choice": lambda checks: ChoiceField(
            item.label,
            [*checks, _offered(item)],
            choices=_choices(item),
            validate_choice=False,
        ),
        "choices": lambda checks: CheckboxesField(
            item.label,
            [*checks, _offered(item)],
            choices=list(item.options),
            validate_choice=False,
        ),
    }
    needed = [Needed(_("This question needs an answer."))] if item.required else []
    return kinds[item.kind](needed)


def _choices(item: Question) -> list[SelectChoice]:
    # A radio button once pressed cannot be released: without this, no answer could be taken back.
    none = [] if item.required else [SelectChoice("", _("No answer"))]
    return [*none, *map(SelectChoice, item.options)]


def _offered(item: Question) -> Callable[[Any, Field], None]:
    return lambda _form, field: fields.one_of(field, item.options)


def _trap_fields(now: datetime) -> dict[str, Any]:
    """Return a field that only programs fill in, and one that tells when the form was opened."""

    def left_empty(_form: Any, field: Field) -> None:
        if field.data:
            raise ValidationError(
                _("Only programs fill this in. Empty it and send the form again.")
            )

    def not_in_haste(_form: Any, field: Field) -> None:
        opened = _read_signed(field.data or "")
        if opened is None or now - opened < FASTEST:
            field.data = field.data if opened else _signed(now)
            raise ValidationError(
                _("This came faster than a person can type. Look it over and send it again.")
            )

    return {
        "website": StringField(
            _("Leave this empty"),
            [left_empty],
            render_kw={"autocomplete": "off", "tabindex": "-1"},
        ),
        "opened": HiddenField("", [not_in_haste]),
    }


def _signer() -> Signer:
    return Signer(current_app.secret_key or "", salt="form opened")


def _signed(now: datetime) -> str:
    return _signer().sign(str(int(now.timestamp()))).decode()


def _read_signed(value: str) -> datetime | None:
    try:
        seconds = int(_signer().unsign(value))
    except (BadSignature, ValueError, UnicodeError):
        return None
    return datetime.fromtimestamp(seconds, UTC)
