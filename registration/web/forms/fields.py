"""The base of all forms, and fields that normalize text, and keep it as typed if it is wrong."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, RadioField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, EmailInput, ListWidget

from ...models.when import is_zone
from ...text import addresses, normalize
from ...text.addresses import AddressRefused, EmailAddress, Fault
from ...text.languages import LazyString, ngettext
from ...text.languages import gettext as _


class Form(FlaskForm):
    """A form with its CSRF token, filled from the request if that has posted it."""

    def __init__(self, **held: Any) -> None:
        # Only a form's own encodings: Flask-WTF would take JSON of any shape too.
        super().__init__(formdata=request.form if request.method == "POST" else None, **held)


def _clean(field: Field, typed: list[str], clean: Callable[[str], str]) -> None:
    field.data = typed[0] if typed else ""
    try:
        field.data = clean(field.data)
    except normalize.ForbiddenCharacter as error:
        raise ValueError(
            _("This contains a character that cannot be shown (%(code)s). Remove it.")
            % {"code": error.code}
        ) from None


class LineField(StringField):
    """One line of text, normalized; text with a forbidden character is kept as it was typed."""

    def process_formdata(self, valuelist: list[str]) -> None:
        _clean(self, valuelist, normalize.line)


class LongField(TextAreaField):
    """Text of several lines, normalized as a `LineField` is."""

    def process_formdata(self, valuelist: list[str]) -> None:
        _clean(self, valuelist, normalize.paragraphs)


class ZoneField(StringField):
    """A time zone in a checkbox, whose value a script fills in; an unknown zone counts as none."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = next(filter(is_zone, valuelist), None)


class AddressField(StringField):
    """An e-mail address; `address` is the parsed one, once the field is valid."""

    widget = EmailInput()
    address: EmailAddress

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = valuelist[0].strip() if valuelist else ""

    def pre_validate(self, form: FlaskForm) -> None:  # noqa: ARG002
        if not self.data:
            return
        try:
            self.address = addresses.parse(self.data)
        except AddressRefused as error:
            raise ValidationError(_sentence(error.fault)) from None


class ChoiceField(RadioField):
    """One of the choices, or none: a choice that is not sent is not chosen, whatever was stored."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = valuelist[0] if valuelist else ""

    def pre_validate(self, form: FlaskForm) -> None:  # noqa: ARG002
        _refuse_unoffered(self, [self.data])


class CheckboxesField(SelectMultipleField):
    """Several of the choices, as checkboxes; each counts once."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = list(dict.fromkeys(valuelist))

    def pre_validate(self, form: FlaskForm) -> None:  # noqa: ARG002
        _refuse_unoffered(self, self.data)


class AtMost:
    """Refuses text of more than `most` characters, and says how many there are."""

    def __init__(self, most: int) -> None:
        self.field_flags = {"maxlength": most}
        self.most = most

    def __call__(self, form: FlaskForm, field: Field) -> None:  # noqa: ARG002
        length = len(field.data or "")
        if length > self.most:
            sentence = ngettext(
                "This has %(num)s character; at most %(most)s fit.",
                "This has %(num)s characters; at most %(most)s fit.",
                length,
            )
            raise ValidationError(sentence % {"num": length, "most": self.most})


class Needed:
    """Refuses an empty field with a sentence of its own."""

    def __init__(self, sentence: LazyString) -> None:
        self.field_flags = {"required": True}
        self.sentence = sentence

    def __call__(self, form: FlaskForm, field: Field) -> None:  # noqa: ARG002
        if not field.data and not field.errors and not field.process_errors:
            raise ValidationError(str(self.sentence))


def _refuse_unoffered(field: Field, chosen: Iterable[str | None]) -> None:
    offered = {choice.value for choice in field.iter_choices()}
    if any(choice and choice not in offered for choice in chosen):
        raise ValidationError(_("Choose one of the answers that are offered."))


def _sentence(fault: Fault) -> str:
    return {
        Fault.AT: _("An e-mail address has one @ sign, as in name@example.org."),
        Fault.NAME: _("Write only the address, without a name, quotes or angle brackets."),
        Fault.SPACE: _("An e-mail address has no spaces. Remove them."),
        Fault.LOCAL_NOT_ASCII: _(
            "Many mail servers cannot deliver to an address with such letters before the @. "
            "Use one with a-z, digits and . _ + - there."
        ),
        Fault.LOCAL: _("The part before the @ is not one that mail servers accept. Check it."),
        Fault.PERIOD: _("An e-mail address has no period first, last, or twice in a row."),
        Fault.DOMAIN: _(
            "The part after the @ is not a mail domain, such as example.org. Check it."
        ),
        Fault.LONG: _("This is too long for an e-mail address. Check it."),
    }[fault]
