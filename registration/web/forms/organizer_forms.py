"""The forms of the desk: shape only."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

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

from ...discussion_file import form_size
from ...mail import placeholders
from ...models import REGISTERED, Group, RegistrationStatus, Wording
from ...services.discussions.cancellation import MAX_REASON_CHARACTERS
from ...services.organizers import passwords
from ...text.languages import LazyString, gettext
from ...text.languages import lazy_gettext as _
from ..labels import status_words
from .fields import (
    AddressField,
    AtMost,
    CheckboxesField,
    ChoiceField,
    Form,
    LineField,
    LongField,
    Needed,
)

# A path below the desk, and nothing that a browser or a proxy could read as another.
_NEXT = re.compile(r"/organizer/[a-z0-9/-]*(?:\?[A-Za-z0-9=&_.~%+-]*)?")
_LONGEST_NEXT = 500
MOST_CODE = 40
MOST_SUBJECT = 200
MOST_TEXT = 10_000
_VERSION = re.compile(r"[0-9]{1,9}")
EVERY_DISCUSSION = "*"  # no slug has this sign
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def _password(label: LazyString, autocomplete: str, *checks: Callable[..., None]) -> PasswordField:
    return PasswordField(
        label,
        [Needed(_("Write the password.")), AtMost(passwords.MAX_CHARACTERS), *checks],
        render_kw={"autocomplete": autocomplete},
    )


def _code(label: LazyString) -> StringField:
    return StringField(
        label,
        [Needed(_("Write the code.")), AtMost(MOST_CODE)],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off"},
    )


def _same_as(name: str) -> Callable[[Form, Field], None]:
    def check(form: Form, field: Field) -> None:
        if field.data != form[name].data:
            raise ValidationError(gettext("This is not the password above. Type both again."))

    return check


class AtLeastOne:
    """Refuses a field in which nothing is chosen."""

    field_flags: ClassVar = {"required": True}

    def __call__(self, form: Form, field: Field) -> None:  # noqa: ARG002
        if not field.data:
            raise ValidationError(gettext("Choose at least one."))


class AtLeastOneOrPartner(AtLeastOne):
    """Refuses a field in which nothing is chosen, unless a partner is."""

    def __call__(self, form: Form, field: Field) -> None:
        if not form["partner"].data:
            super().__call__(form, field)


class SignInForm(Form):
    """Signs an organizer in."""

    email = AddressField(
        _("E-mail"),
        [
            Needed(_("Write the address with which you sign in.")),
            AtMost(form_size.MAX_ADDRESS_CHARACTERS),
        ],
        render_kw={"autocomplete": "username", "inputmode": "email"},
    )
    password = _password(_("Password"), "current-password")
    code = _code(_("Code from your app, or a recovery code"))
    next = HiddenField("")


class InvitationForm(Form):
    """Sets password and second factor."""

    password = _password(_("New password"), "new-password")
    again = _password(_("The password again"), "new-password", _same_as("password"))
    code = _code(_("Code that the app shows now"))
    page = HiddenField("")


class PasswordForm(Form):
    """Changes the password."""

    password = _password(_("Password until now"), "current-password")
    code = _code(_("Code from your app, or a recovery code"))
    new = _password(_("New password"), "new-password")
    again = _password(_("The new password again"), "new-password", _same_as("new"))


class VersionForm(Form):
    """A button that is about one version of something."""

    version = HiddenField("")

    @property
    def seen(self) -> int:
        """Which version was seen; 0, which none has, if it is not a number."""
        typed = str(self.version.data or "")
        return int(typed) if _VERSION.fullmatch(typed) else 0


class CancelForm(VersionForm):
    """Cancels a discussion."""

    why = LineField(
        _("Why"),
        [Needed(_("Say why: attendees and the page are told.")), AtMost(MAX_REASON_CHARACTERS)],
    )


class ExportForm(Form):
    """Exports attendees: with these columns, in these states; or those of one partner."""

    states = CheckboxesField(_("Who"), [AtLeastOneOrPartner()])
    columns = CheckboxesField(_("Columns"), [AtLeastOneOrPartner()])
    partner = ChoiceField(_("For a partner"))
    separator = ChoiceField(
        _("What stands between cells"),
        [Needed(_("Choose one."))],
        choices=[
            SelectChoice("comma", _("a comma")),
            SelectChoice("semicolon", _("a semicolon, as Russian Excel wants it")),
            SelectChoice("tab", _("a tab")),
        ],
    )
    password = _password(_("Password"), "current-password")
    code = _code(_("Code from your app, or a recovery code"))

    second_email = AddressField(
        _("Address of a second organizer"),
        [
            Needed(_("Write the address of the second organizer.")),
            AtMost(form_size.MAX_ADDRESS_CHARACTERS),
        ],
        render_kw={"autocomplete": "off", "inputmode": "email"},
    )
    second_code = _code(_("Code of the second organizer"))

    def __init__(
        self, columns: list[str], partners: list[str], *, is_partner: bool, needs_second: bool
    ) -> None:
        coming = [status.value for status in REGISTERED]
        super().__init__(columns=columns, states=coming, partner="", separator="comma")
        self.states.choices = [
            SelectChoice(it.value, status_words(it)) for it in RegistrationStatus
        ]
        if not needs_second:
            del self.second_email, self.second_code
        nobody = [] if is_partner else [SelectChoice("", _("Nobody"))]
        self.columns.choices = columns
        self.partner.choices = [*nobody, *map(SelectChoice, partners)]


class EraseEverybodyForm(Form):
    """Erases everybody of a discussion, or of all; `counts` has slug, title and number of each."""

    scope = ChoiceField(_("Whom"), [Needed(_("Choose whom to erase."))])
    password = _password(_("Password"), "current-password")
    code = _code(_("Code from your app, or a recovery code"))
    sure = BooleanField(
        _("Delete all of them for good. I know that nobody can undo it."),
        [Needed(_("Tick this if you are sure."))],
    )

    def __init__(self, counts: list[tuple[str, str, int]]) -> None:
        super().__init__()
        total = sum(number for _slug, _title, number in counts)
        first = (EVERY_DISCUSSION, gettext("Everybody, of all discussions"), total)
        self.scope.choices = [
            SelectChoice(value, f"{words} ({number})") for value, words, number in [first, *counts]
        ]


class SignEverybodyOutForm(Form):
    """Signs every organizer out."""

    everybody = BooleanField(
        _("Sign everybody out, me too."), [Needed(_("Tick this if you are sure."))]
    )


class SearchForm(Form):
    """Searches the attendees."""

    search = LineField(_("Search"), [AtMost(form_size.MAX_NAME_CHARACTERS)])


class CorrectionForm(Form):
    """Corrects an attendee's address."""

    email = AddressField(
        _("The right address"),
        [Needed(_("Write the address.")), AtMost(form_size.MAX_ADDRESS_CHARACTERS)],
        render_kw={"autocomplete": "off", "inputmode": "email"},
    )


class SheetForm(Form):
    """Takes a CSV of attendees; nothing is stored until it has been looked over."""

    sheet = FileField(_("The CSV"), render_kw={"accept": ".csv,.txt,text/csv"})
    is_told = BooleanField(
        _("Write to everybody who is added, to tell them where they stand"), default=True
    )


GROUP_LABELS = {
    Group.CONFIRMED: _("Those who have a seat"),
    Group.WAITING: _("Those on the waiting list"),
    Group.ATTENDED: _("Those marked as attended"),
    Group.ABSENT: _("Those who had a seat and are not marked as attended"),
}


def _refuse_unknown_placeholders(field: Field, allowed: tuple[str, ...]) -> None:
    wrong = placeholders.find_unknown(field.data or "", allowed)
    if wrong is not None:
        names = ", ".join(map(placeholders.as_typed, allowed))
        sentence = gettext("There is no %(wrong)s here; there are %(names)s.")
        raise ValidationError(sentence % {"wrong": wrong, "names": names})


class MailingForm(VersionForm):
    """A mailing to the groups that are `offered`, each with its size, if that may be told;
    `join_url` is the link to join, or empty. `opened` shows that the form of this draft was opened
    before."""

    opened = HiddenField("")
    groups = CheckboxesField(_("To whom"), [AtLeastOne()])
    subject = LineField(_("Subject"), [Needed(_("Write a subject.")), AtMost(MOST_SUBJECT)])
    text = LongField(
        _("Text"),
        [Needed(_("Write what the letter says.")), AtMost(MOST_TEXT)],
        render_kw={"rows": 14},
    )

    def __init__(
        self, offered: Mapping[Group, int | None], *, join_url: str = "", **held: Any
    ) -> None:
        super().__init__(**held)
        self._join_url = join_url
        self.groups.choices = [
            SelectChoice(
                group.value,
                GROUP_LABELS[group] if count is None else f"{GROUP_LABELS[group]} ({count})",
            )
            for group, count in offered.items()
        ]

    def validate_subject(self, field: Field) -> None:
        """Refuse what looks like a placeholder and is none."""
        _refuse_unknown_placeholders(field, placeholders.IN_SUBJECT)

    def validate_text(self, field: Field) -> None:
        """Refuse what looks like a placeholder and is none; and a link to join that does not
        exist, or that some recipients must not have."""
        _refuse_unknown_placeholders(field, placeholders.NAMES)
        if not placeholders.has_link(
            Wording("", self.subject.data, field.data or ""), self._join_url
        ):
            return
        asks = placeholders.has_link_placeholder(field.data or "")
        link = {"link": placeholders.as_typed("join_link") if asks else self._join_url}
        if not self._join_url:
            raise ValidationError(
                gettext("This discussion has no link to join: take %(link)s out.") % link
            )
        if Group.WAITING in self.groups.data:
            sentence = gettext(
                "Who waits has no seat, and gets no link to join: take %(link)s out, or write to "
                "them apart."
            )
            raise ValidationError(sentence % link)


def safe_next(wanted: str) -> str:
    """Return the address below the desk that somebody wanted; the desk itself for any other."""
    is_ours = len(wanted) <= _LONGEST_NEXT and _NEXT.fullmatch(wanted) and "//" not in wanted
    return wanted if is_ours else "/organizer/"
