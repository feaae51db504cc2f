"""Digests of what a page shows: equal for equal facts, of one purpose, under one secret."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from registration.crypto.digests import digest_shown, is_shown

FACTS = {"name": "Айгерим", "answers": {"city": "Almaty", "rules": True}, "zone": None}


@dataclass(frozen=True)
class When:
    starts_at: datetime


def test_the_same_facts_have_the_same_digest_in_any_order():
    turned = dict(reversed(FACTS.items()))
    assert is_shown(digest_shown("secret", "page", FACTS), "secret", "page", turned)


@pytest.mark.parametrize(
    ("secret", "purpose", "facts"),
    [
        ("other", "page", FACTS),
        ("secret", "other", FACTS),
        ("secret", "page", FACTS | {"name": "Mallory"}),
        ("secret", "page", FACTS | {"answers": {"city": "Almaty", "rules": "True"}}),
        ("secret", "page", FACTS | {"zone": "None"}),
        ("secret", "page", [FACTS]),
    ],
)
def test_other_facts_another_purpose_or_secret_have_another_digest(secret, purpose, facts):
    assert not is_shown(digest_shown("secret", "page", FACTS), secret, purpose, facts)


@pytest.mark.parametrize("wrong", ["", "0" * 64, "Ж", "\ud800", "\0"])
def test_text_that_is_no_digest_matches_no_facts(wrong):
    assert not is_shown(wrong, "secret", "page", FACTS)


def test_dataclasses_and_times_are_facts():
    at = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    digest = digest_shown("secret", "page", When(at))
    assert is_shown(digest, "secret", "page", When(at))
    assert not is_shown(digest, "secret", "page", When(at.replace(hour=13)))
