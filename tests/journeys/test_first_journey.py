"""The first story: somebody finds the discussion, registers, confirms and is on the list."""

import pytest

from registration.database import reading
from registration.services.attendees import exports

from .. import builders
from ..visitor import text_of

pytestmark = pytest.mark.slow


def test_from_the_form_to_the_confirmation_and_the_csv(app, visitor):
    builders.publish_first()

    answer = visitor.fill(
        "/discussions/bloody-january/register", name="Айгерим", email="aigerim@example.org"
    )
    assert answer.status_code == 303
    assert answer.location == "/discussions/bloody-january/registered"

    assert builders.deliver() == 1
    (first,) = builders.kept_letters(app)
    assert "Айгерим" not in first.get_body(("plain",)).get_content()
    link = builders.attendee(slug="bloody-january").token
    page = visitor.get(f"/registrations/{link}")
    assert "Not confirmed yet" in text_of(page.text)

    assert visitor.press(f"/registrations/{link}", "confirm").status_code == 303
    visitor.clock.advance(minutes=1)
    assert builders.deliver() == 1
    second = builders.kept_letters(app)[-1]
    text = second.get_body(("plain",)).get_content()
    for person in builders.publish_first().content.contributors:
        assert person.name in text
        assert person.organization in " ".join(text.split())

    rows = list(exports.attendees(reading, "bloody-january"))
    assert [(row["status"], row["name"], row["email"]) for row in rows] == [
        ("confirmed", "Айгерим", "aigerim@example.org")
    ]
