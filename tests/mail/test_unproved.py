"""Letters to an address that nobody has proved: nothing that was typed, and no link to join."""

import pytest

from registration.models import Essentials, LetterKind, Wording

from .. import builders
from .conftest import KINDS, TOKEN, Write, bodies
from .test_discreet import everything

JOIN, BEFORE = "https://meet.example.org/room", "https://meet.example.org/before"
OWN_PAGE = f"https://events.example.org/registrations/{TOKEN}"
TYPED = {
    "name": "CANARY name",
    "affiliation": "CANARY affiliation",
    "answers": {"question": "CANARY answer", "days": ["CANARY choice"]},
    "shared_with": [{"partner": "CANARY partner", "what": ["name"], "why": "CANARY why"}],
}
FULL = Wording("mailing-id", "For {{ name }}", "Dear {{ name }},\n\njoin: {{ join_link }}")
WRITTEN_OUT = Wording("mailing-id", "The link", f"Join: {JOIN}")


def water(*, is_discreet: bool):
    found = builders.file(f'join_url = "{JOIN}"\ndiscreet = {str(is_discreet).lower()}')
    return builders.unsaved_discussion(found)


def told() -> Essentials:
    return builders.unsaved_discussion(builders.file(f'join_url = "{BEFORE}"')).essentials


def said(write: Write, kind: LetterKind, *, is_proved: bool, is_discreet: bool = False, **more):
    """Return all that a letter says, decoded, its calendar entry included."""
    message = write(
        kind, water(is_discreet=is_discreet), told=told(), is_proved=is_proved, **(TYPED | more)
    )
    return everything(message)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_discreet", [False, True], ids=["open", "discreet"])
@pytest.mark.parametrize("wording", [FULL, WRITTEN_OUT], ids=["placeholders", "written out"])
def test_it_has_nothing_typed_and_no_link_to_join(write, kind, is_discreet, wording):
    whole = said(write, kind, is_proved=False, is_discreet=is_discreet, wording=wording)
    assert "canary" not in whole.casefold()
    assert "meet.example.org" not in whole
    assert "{{" not in whole


def test_a_proved_address_gets_both_in_the_same_letters(write):
    """The letters above would have them: else that test would show nothing."""
    kinds = [LetterKind.CONFIRMATION, LetterKind.SEAT, LetterKind.MAILING]
    for kind in kinds:
        whole = said(write, kind, is_proved=True, wording=FULL)
        assert "CANARY name" in whole
        assert JOIN in whole
    for kind in (LetterKind.CHANGE, LetterKind.REMINDER, LetterKind.FOLLOW_UP):
        assert JOIN in said(write, kind, is_proved=True)


@pytest.mark.parametrize(
    "kind",
    [LetterKind.CONFIRMATION, LetterKind.SEAT, LetterKind.CHANGE, LetterKind.REMINDER],
)
def test_it_says_why_and_leads_to_the_own_page(write, kind):
    for body in bodies(write(kind, water(is_discreet=False), is_proved=False)):
        told = " ".join(body.split())
        assert "we do not know yet that this address is yours" in told
        assert OWN_PAGE in told


def test_a_mailing_without_name_and_link_is_sent_as_it_is(write):
    plain = Wording("mailing-id", "About {{ title }}", "It is on at {{ time }}.")
    whole = said(write, LetterKind.MAILING, is_proved=False, wording=plain)
    assert "About Who owns the water?" in whole
