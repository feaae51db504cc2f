"""Addresses: which are accepted, which are the same, and the fault that is told of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.text.addresses import AddressRefused, Fault, parse


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A@Пример.рф", "a@xn--e1afmkfd.xn--p1ai"),
        ("A@ПРИМЕР.РФ", "A@Пример.рф"),
        ("a@XN--E1AFMKFD.XN--P1AI", "a@пример.рф"),
        ("Aigerim@Example.ORG", "aigerim@example.org"),
        (" aigerim@example.org\n", "aigerim@example.org"),
        ("a@caf\u00e9.example.com", "a@cafe\u0301.example.com"),
        ("a@例え。jp", "a@例え.jp"),
    ],
)
def test_these_are_the_same_address(one, other):
    assert parse(one).canonical == parse(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a+b@example.org", "a@example.org"),
        ("a.b@gmail.com", "ab@gmail.com"),
        ("a@straße.de", "a@strasse.de"),
        ("a@example.org", "a@example.com"),
    ],
)
def test_these_are_different_addresses(one, other):
    assert parse(one).canonical != parse(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.i.d.a@gmail.com", "aida@gmail.com"),
        ("Aida+x.y@Gmail.com", "aida@googlemail.com"),
        ("ai.da@googlemail.com", "a.ida+z@gmail.com"),
        ("a.i-d_a@proton.me", "aida@protonmail.com"),
        ("a-ida@ya.ru", "a.ida+1@yandex.kz"),
        ("aida@me.com", "aida@icloud.com"),
        ("aida+x@example.org", "aida@example.org"),
    ],
)
def test_these_are_two_addresses_of_one_mailbox(one, other):
    assert parse(one).mailbox == parse(other).mailbox
    assert parse(one).canonical != parse(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.ida@example.org", "aida@example.org"),
        ("a.ida@gmail.example.org", "aida@gmail.example.org"),
        ("a-ida@gmail.com", "aida@gmail.com"),
        ("a.ida@yandex.ru", "aida@yandex.ru"),
        ("a.ida@icloud.com", "aida@icloud.com"),
        ("aida@mail.ru", "aida@gmail.com"),
        ("+a@gmail.com", "+b@gmail.com"),
    ],
)
def test_these_are_different_mailboxes(one, other):
    assert parse(one).mailbox != parse(other).mailbox


def test_letters_go_to_the_typed_local_part_and_an_ascii_domain():
    assert parse("Aigerim.O@Пример.рф").sent == "Aigerim.O@xn--e1afmkfd.xn--p1ai"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault.AT),
        ("aigerim", Fault.AT),
        ("a@b@example.org", Fault.AT),
        ("aigerim\uff20example.org", Fault.AT),
        ("Aigerim <aigerim@example.org>", Fault.NAME),
        ("<aigerim@example.org>", Fault.NAME),
        ('"ai gerim"@example.org', Fault.NAME),
        ("ai gerim@example.org", Fault.SPACE),
        ("aigerim@exam\u00a0ple.org", Fault.SPACE),
        ("aigerim@example.org\nBcc:x", Fault.SPACE),
        ("айгерим@example.org", Fault.LOCAL_NOT_ASCII),
        ("ai\u200bgerim@example.org", Fault.LOCAL_NOT_ASCII),
        ("@example.org", Fault.LOCAL),
        ("a,b@example.org", Fault.LOCAL),
        ("a(b)@example.org", Fault.LOCAL),
        ("a\x00b@example.org", Fault.LOCAL),
        ("a\\b@example.org", Fault.LOCAL),
        ("a..b@example.org", Fault.PERIOD),
        (".a@example.org", Fault.PERIOD),
        ("a.@example.org", Fault.PERIOD),
        ("a@example..org", Fault.PERIOD),
        ("a@", Fault.DOMAIN),
        ("a@example", Fault.DOMAIN),
        ("a@localhost", Fault.DOMAIN),
        ("a@[127.0.0.1]", Fault.DOMAIN),
        ("a@127.0.0.1", Fault.DOMAIN),
        ("a@-example.org", Fault.DOMAIN),
        ("a@exam_ple.org", Fault.DOMAIN),
        ("a@example.org.", Fault.DOMAIN),
        ("a@example.org\u202e", Fault.DOMAIN),
        ("a@xn--a.org", Fault.DOMAIN),
        ("a@" + "я" * 60 + ".рф", Fault.DOMAIN),
        ("a" * 65 + "@example.org", Fault.LONG),
        ("a@" + "b." * 130 + "org", Fault.LONG),
    ],
)
def test_each_fault_is_told(text, fault):
    with pytest.raises(AddressRefused) as refusal:
        parse(text)
    assert refusal.value.fault is fault
    assert str(refusal.value) == f"is not an e-mail address: {fault.value}"


def accepted(text: str) -> str | None:
    """Return the canonical form, if the address is accepted."""
    try:
        return parse(text).canonical
    except AddressRefused:
        return None


ANY_SIDE = st.text(max_size=70)


@given(st.one_of(st.text(), st.builds("{}@{}".format, ANY_SIDE, ANY_SIDE)))
def test_any_text_is_an_address_or_refused(text):
    canonical = accepted(text)
    if canonical is not None:
        assert canonical.isascii()
        assert canonical == canonical.casefold()
        assert canonical.count("@") == 1
        assert accepted(canonical) == canonical


@given(st.emails())
def test_an_accepted_address_is_the_same_in_capitals(text):
    canonical = accepted(text)
    if canonical is not None:
        assert accepted(text.upper()) == canonical


@given(st.characters(categories=["L", "N"]), st.characters(categories=["L", "M", "N"]))
def test_an_international_domain_is_the_same_as_its_ascii_form(first, second):
    canonical = accepted(f"a@{first}{second}x.org")
    if canonical is not None:
        assert accepted(canonical.upper()) == canonical


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("=?utf-8?q?a?=@example.org", Fault.LOCAL),
        ("a\u0301\u0316" * 200_000 + "@example.org", Fault.LONG),
    ],
    ids=["an encoded word", "long and costly"],
)
def test_an_address_that_takes_no_letters_is_refused(text, fault):
    with pytest.raises(AddressRefused) as refusal:
        parse(text)
    assert refusal.value.fault is fault
