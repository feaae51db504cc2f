"""Words for stored values on a page, in the language of the moment."""

from collections.abc import Iterable

from flask import Flask

from ..models import Deed, Group, LetterKind, LetterState, RegistrationStatus
from ..refusals import N_
from ..text.languages import format_list
from ..text.languages import gettext as _

# The service's words before those of a mail server or of the system, as mail/ writes them.
_BEFORE_A_QUOTATION = {
    N_("cannot be written"),
    N_("not an answer"),
    N_("The letters' folder cannot be opened or made"),
    N_("The letters' folder cannot be written"),
    N_("The mail server"),
    N_("The mail server refuses the sender"),
    N_("The mail server refuses to sign us in"),
}


def init_app(app: Flask) -> None:
    """Let templates ask for these labels."""
    app.jinja_env.globals.update(
        answer_words=answer_words,
        deed_words=deed_words,
        group_words=group_words,
        letter_words=letter_words,
        letter_state_words=letter_state_words,
        shared_words=shared_words,
        status_words=status_words,
    )


def status_words(status: RegistrationStatus) -> str:
    """Return the words for a status of a registration."""
    return {
        RegistrationStatus.UNCONFIRMED: _("not confirmed yet"),
        RegistrationStatus.CONFIRMED: _("confirmed"),
        RegistrationStatus.WAITING: _("waiting"),
        RegistrationStatus.WITHDRAWN: _("withdrawn"),
    }[status]


def letter_words(kind: LetterKind) -> str:
    """Return the words for a kind of letter."""
    return {
        LetterKind.ADDRESS_CONFIRMATION: _("to confirm the address"),
        LetterKind.CONFIRMATION: _("confirmation"),
        LetterKind.WAITING: _("waiting list"),
        LetterKind.ALREADY_REGISTERED: _("registered already"),
        LetterKind.LINK: _("personal link"),
        LetterKind.ADDRESS_CHANGE: _("to confirm a new address"),
        LetterKind.WITHDRAWAL: _("withdrawal"),
        LetterKind.CHANGE: _("change"),
        LetterKind.SEAT: _("seat"),
        LetterKind.REMINDER: _("reminder"),
        LetterKind.FOLLOW_UP: _("recording or summary"),
        LetterKind.MAILING: _("letter to attendees"),
        LetterKind.PASSWORD_CHANGED: _("password changed"),
        LetterKind.SIGN_IN_SET_UP: _("sign-in set up"),
        LetterKind.SIGN_IN_RESET: _("sign-in reset"),
    }[kind]


def letter_state_words(state: LetterState) -> str:
    """Return the words for a state of a letter."""
    return {
        LetterState.OWED: _("queued"),
        LetterState.SENT: _("accepted"),
        LetterState.FAILED: _("failed"),
        LetterState.HELD: _("held"),
        LetterState.DROPPED: _("not needed"),
    }[state]


def answer_words(answer: str) -> str:
    """Return the stored result of an attempt to hand a letter over.

    The service's own words are translated; the words of a mail server or of the system are quoted.
    """
    own, colon, quoted = answer.partition(": ")
    if colon and own in _BEFORE_A_QUOTATION:
        return f"{_(own)}: {answer_words(quoted.removesuffix('.'))}"
    return _(answer)


def deed_words(deed: Deed) -> str:
    """Return what was done, as the audit log says it."""
    return {
        Deed.ADDED: _("organizer added"),
        Deed.GIVEN: _("organizer given discussions"),
        Deed.REMOVED: _("organizer removed"),
        Deed.RESET: _("sign-in reset"),
        Deed.ACCEPTED: _("invitation accepted"),
        Deed.SIGNED_IN: _("signed in"),
        Deed.SIGNED_OUT: _("signed out"),
        Deed.SIGNED_OUT_EVERYWHERE: _("signed out everywhere"),
        Deed.SESSION_ENDED: _("other browsers signed out"),
        Deed.SIGN_IN_CHANGED: _("password changed"),
        Deed.EXPORTED: _("attendees exported"),
        Deed.ATTENDEE_ADDED: _("attendee added by hand"),
        Deed.LETTER_SENT_AGAIN: _("letter sent again"),
        Deed.ADDRESS_CORRECTED: _("address corrected"),
        Deed.ATTENDEE_WITHDRAWN: _("attendee withdrawn"),
        Deed.ATTENDEE_ERASED: _("attendee erased"),
        Deed.MARKED_ATTENDED: _("marked as attended"),
        Deed.MARKED_ABSENT: _("marked as not attended"),
        Deed.IMPORTED: _("attendees imported"),
        Deed.DRAFTED: _("letter to attendees drafted"),
        Deed.DISCARDED: _("draft of a letter discarded"),
        Deed.TESTED: _("test letter posted"),
        Deed.QUEUED: _("letter to attendees queued"),
        Deed.STOPPED: _("letter to attendees stopped"),
        Deed.DRAFT_DELETED: _("draft of a discussion deleted"),
        Deed.PUBLISHED: _("discussion published"),
        Deed.CHANGED: _("discussion changed"),
        Deed.CANCELLED: _("discussion cancelled"),
        Deed.RESTORED: _("discussion restored"),
        Deed.TAKEN_OFF: _("discussion taken off"),
        Deed.EVERYBODY_ERASED: _("everybody erased"),
        Deed.EVERYBODY_SIGNED_OUT: _("everybody signed out"),
        Deed.CODES_TRIED: _("wrong codes with the right password"),
    }[deed]


def group_words(groups: Iterable[str]) -> str:
    """Return the words for the groups that get a mailing."""
    words: dict[str, str] = {
        Group.CONFIRMED: _("those who have a seat"),
        Group.WAITING: _("those on the waiting list"),
        Group.ATTENDED: _("those marked as attended"),
        Group.ABSENT: _("those who had a seat and are not marked as attended"),
    }
    return format_list([words.get(group, group) for group in groups])


def shared_words(fields: Iterable[str]) -> str:
    """Return the words for the fields that are shared with a partner."""
    words = {"name": _("name"), "email": _("e-mail"), "affiliation": _("affiliation")}
    return format_list([words[field] for field in fields])


def error_title(status: int) -> str:
    """Return the title of the page of an HTTP error."""
    return {
        400: _("This could not be read"),
        404: _("Nothing is here"),
        405: _("Not in this way"),
        410: _("This has been taken off"),
        413: _("Your form is too long"),
        415: _("Not in this way"),
        500: _("Something went wrong here"),
        503: _("Just a moment"),
    }[status]


def error_advice(status: int) -> str:
    """Return the likely cause of an HTTP error, and what the reader can do."""
    return {
        400: _(
            "What your browser sent is damaged or not meant for this site. Go back and try again."
        ),
        404: _("The address is wrong, or what was here has been erased."),
        405: _("This address exists, but it does not take this kind of request."),
        410: _("What was here is not public any more."),
        413: _("Go back, shorten the longest text, and send it again."),
        415: _("A form here is sent as a form, and in no other format."),
        500: _("It is not your fault. Try again in a minute."),
        503: _(
            "The service cannot write or read at the moment. Try again in a minute; what was "
            "accepted before is safe."
        ),
    }[status]


def locked_advice() -> str:
    """Return what a visitor is told while the key waits for its passphrase."""
    return _(
        "This site has just been restarted, and its operators have to open it by hand. Please come "
        "back later. What you sent before is safe."
    )
