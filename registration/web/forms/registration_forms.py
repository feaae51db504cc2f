"""The attendees' forms: shape only. They turn typed text into an `Entry`, without the database."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from itsdangerous import BadSignature, Signer
from wtforms import BooleanField, Field, HiddenField, SelectChoice, StringField
from wtforms.validators import ValidationError

from ...config import Settings
from ...crypto.digests import digest_shown, is_shown
from ...discussion_file import form_size
from ...models import Answer, Attendee, Content, Question, Registration, Sharing
from ...services.registrations.register import Entry
from ...text.languages import gettext, language
from ...text.languages import lazy_gettext as _
from .fields import (
    AddressField,
    AtMost,
    CheckboxesField,
    ChoiceField,
    Form,
    LineField,
    LongField,
    Needed,
    ZoneField,
)

# Nobody reads and fills the form faster; programs do.
FASTEST = timedelta(seconds=2)
QUESTION = "question_"
SHARING = "sharing_"


def _email() -> AddressField:
    return AddressField(
        _("E-mail"),
        [
            Needed(_("Write the e-mail address that the letters go to.")),
            AtMost(form_size.MAX_ADDRESS_CHARACTERS),
        ],
        render_kw={"autocomplete": "email", "inputmode": "email"},
    )


def _name(*checks: Callable[..., None]) -> LineField:
    return LineField(
        _("Name"),
        [*checks, AtMost(form_size.MAX_NAME_CHARACTERS)],
        render_kw={"autocomplete": "name"},
    )


class TrapForm(Form):
    """A form with two traps for programs: a field that only they fill in, and a signed time that
    tells when the form was opened."""

    website = StringField(
        _("Leave this empty"), render_kw={"autocomplete": "off", "tabindex": "-1"}
    )
    opened = HiddenField("")

    def __init__(self, now: datetime, **held: Any) -> None:
        self._now = now
        super().__init__(**held)
        if not self.is_submitted():
            self.opened.data = _signed(now)

    def validate_website(self, field: Field) -> None:
        """Refuse a form in which the trap is filled in."""
        if field.data:
            raise ValidationError(
                gettext("Only programs fill this in. Empty it and send the form again.")
            )

    def validate_opened(self, field: Field) -> None:
        """Refuse a form that comes back faster than a person types; sign the time anew if it is
        missing or forged."""
        opened = _read_signed(field.data or "")
        if opened is None or self._now - opened < FASTEST:
            field.data = field.data if opened else _signed(self._now)
            raise ValidationError(
                gettext("This came faster than a person can type. Look it over and send it again.")
            )


class FindForm(TrapForm):
    """Asks for an address, to send the personal link to."""

    email = _email()


class EntryForm(Form):
    """Name, address, affiliation and the discussion's questions: the form in which an organizer
    adds an attendee, and the base of the attendee's own. `name` is None where none is asked."""

    content: Content
    name: LineField | None = _name(Needed(_("Write a name; a pseudonym is fine.")))
    email = _email()
    affiliation = LineField(
        _("Affiliation"),
        [AtMost(form_size.MAX_NAME_CHARACTERS)],
        render_kw={"autocomplete": "organization"},
    )
    asked = HiddenField("")
    zone = ZoneField(_("Letters state the time in my zone, too"))
    follow_up = BooleanField(_("Write to me when there is a recording or a summary."))

    def __init__(self, **held: Any) -> None:
        super().__init__(**held)
        if not self.is_submitted():
            self.asked.data = digest_shown(_secret(), "asked", self._asked)

    def validate_asked(self, field: Field) -> None:
        """Refuse a form whose questions are not those that its page asked: an answer, or a consent
        to share, would become one to something else. Nothing stays ticked to share."""
        if is_shown(field.data or "", _secret(), "asked", self._asked):
            return
        field.data = digest_shown(_secret(), "asked", self._asked)
        for _item, box in self.sharing_fields():
            box.data = False
        raise ValidationError(
            gettext(
                "The questions in this form have changed since you opened it. Check your answers, "
                "then send it again."
            )
        )

    @property
    def _asked(self) -> list[object]:
        return [self.content.questions, self.content.sharing]

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
            name=self.name.data if self.name is not None else "",
            address=self.email.address,
            affiliation=self.affiliation.data,
            answers=answers,
            shared_with=shared_with,
            language=language(),
            zone=self.zone.data,
            wants_follow_up=self.follow_up.data,
        )


class RegistrationForm(EntryForm, TrapForm):
    """The form in which people register, with its traps for programs."""


def registration(content: Content, now: datetime, settings: Settings) -> RegistrationForm:
    """Return the registration form of a discussion."""
    rule = content.name_rule(settings)
    form: RegistrationForm = _for_content(RegistrationForm, content, rule)(now=now)
    return form


def change(
    content: Content, registration: Registration, attendee: Attendee, settings: Settings
) -> EntryForm:
    """Return the form that changes a registration, filled with what is stored.

    A name that was given before the form stopped asking can be changed, and taken away.
    """
    rule = content.name_rule(settings)
    if rule == "none" and attendee.name:
        rule = "optional"
    stored = {"zone": attendee.zone, "follow_up": registration.wants_follow_up}
    stored |= _typed(attendee)
    for number, item in enumerate(_shareable(content, rule).sharing):
        stored[f"{SHARING}{number}"] = attendee.has_agreed(item)
    form: EntryForm = _for_content(EntryForm, content, rule)(**stored)
    return form


def _typed(attendee: Attendee) -> dict[str, Any]:
    """Return what an attendee typed, by field."""
    return {
        "name": attendee.name,
        "email": attendee.new_address or attendee.address,
        "affiliation": attendee.affiliation,
        **{QUESTION + key: answer for key, answer in attendee.answers.items()},
    }


def by_hand(content: Content, settings: Settings) -> EntryForm:
    """Return the form in which an organizer adds somebody: no question needs an answer, and nobody
    agrees to sharing for another."""
    asked = [replace(item, required=False) for item in content.questions]
    lenient = replace(content, questions=asked, sharing=[])
    form: EntryForm = _for_content(EntryForm, lenient, content.name_rule(settings))()
    return form


def _shareable(content: Content, name_rule: str) -> Content:
    """Return the content without requests to share a name that the form does not ask for."""
    if name_rule != "none":
        return content
    asked = [
        replace(item, what=[field for field in item.what if field != "name"])
        for item in content.sharing
    ]
    return replace(content, sharing=[item for item in asked if item.what])


def _for_content(form: type[EntryForm], content: Content, name_rule: str) -> Callable[..., Any]:
    """Return `form` with a field for each question and each partner of a discussion: WTForms takes
    further fields on a subclass only."""
    content = _shareable(content, name_rule)
    added: dict[str, Any] = {QUESTION + item.key: _question(item) for item in content.questions}
    for number, item in enumerate(content.sharing):
        added[f"{SHARING}{number}"] = BooleanField(item.partner)
    if name_rule != "required":
        added["name"] = _name() if name_rule == "optional" else None
    return type(form.__name__, (form,), {"content": content} | added)


def _question(item: Question) -> Field:
    checks = [Needed(_("This question needs an answer."))] if item.required else []
    if item.kind == "line":
        return LineField(item.label, [*checks, AtMost(form_size.MAX_LINE_CHARACTERS)])
    if item.kind == "long":
        return LongField(item.label, [*checks, AtMost(form_size.MAX_LONG_CHARACTERS)])
    if item.kind == "choice":
        return ChoiceField(item.label, checks, choices=_choices(item))
    if item.kind == "choices":
        return CheckboxesField(item.label, checks, choices=list(item.options))
    return BooleanField(item.label, checks)


def _choices(item: Question) -> list[SelectChoice]:
    # A radio button once pressed cannot be released: without this, no answer could be taken back.
    none = [] if item.required else [SelectChoice("", _("No answer"))]
    return [*none, *map(SelectChoice, item.options)]


def _secret() -> str:
    return str(current_app.secret_key or "")


def _signer() -> Signer:
    return Signer(_secret(), salt="form opened")


def _signed(now: datetime) -> str:
    return _signer().sign(str(int(now.timestamp()))).decode()


def _read_signed(value: str) -> datetime | None:
    try:
        seconds = int(_signer().unsign(value))
    except (BadSignature, ValueError, UnicodeError):
        return None
    return datetime.fromtimestamp(seconds, UTC)
