"""Kept answers of mail servers: one short line that names nobody."""

import pytest

from registration.mail.smtp_answers import accepted, redact

ADDRESS = "aigerim.nurlan+talks@institute.example.kz"
NAME = "Айгерим Nurlan-Bek"


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("250 2.0.0 OK 4711", "250 2.0.0 OK 4711"),
        (
            "450 4.2.0 greylisted at 10:42:13, id 4F2A1C0D3E",
            "450 4.2.0 greylisted at <id>, id <id>",
        ),
        ("550-5.1.1 unknown b17-20020a05si1.45 - gsmtp", "550-5.1.1 unknown <id> - gsmtp"),
        (
            "554 5.7.1 [192.0.2.44] blocked by zen2.example.org",
            "554 5.7.1 [192.0.2.44] blocked by zen2.example.org",
        ),
        (f"550 5.1.1 <{ADDRESS}>: no such user", "550 5.1.1 <address> no such user"),
        (f"550 5.1.1 {ADDRESS.upper()} unknown", "550 5.1.1 <address> unknown"),
        ("550 user aigerim.nurlan+talks unknown", "550 user <address> unknown"),
        ("550 Aigerim Nurlan is gone", "550 <address> <address> is gone"),
        ("550 mailbox of АЙГЕРИМ is full", "550 mailbox of <name> is full"),
        ("550 (nurlan-bek) is full", "550 (<address>-bek) is full"),
        ("554 no mail for institute.example.kz", "554 no mail for <address>"),
        ("550 SRS0=x=example.kz=aigerim@relay.example said", "550 <address> said"),
        ("421 a\x00\x1b[2J\u202e b\r\n c", "421 a[2J b c"),
    ],
)
def test_an_answer_is_kept_without_the_people_it_names(answer, kept):
    assert redact(answer, ADDRESS, [NAME]) == kept


def test_an_international_domain_is_hidden_in_both_its_forms():
    said = "550 xn--e1afmkfd.xn--p1ai пример.рф gone"
    assert redact(said, "user@xn--e1afmkfd.xn--p1ai") == "550 <address> <address> gone"


def test_a_telephone_number_as_local_part_is_hidden_and_codes_are_not():
    assert redact("550 77011234567 gone", "77011234567@example.kz") == "550 <address> gone"
    assert redact("550 5.1.1 gone", "550@example.kz", ["5"]) == "550 5.1.1 gone"


def test_an_address_at_the_cut_is_hidden_too():
    said = "550 " + "too bad " * 24 + f"{ADDRESS}"
    kept = redact(said, ADDRESS, [NAME])
    assert len(kept) == 200
    assert "aigerim" not in kept
    assert "aig" not in kept


def test_a_link_or_a_token_that_a_server_quotes_is_not_kept():
    token = "PiMln6EfuOZ7hDH_2xY0aKq-Lw3sVbNcRtEyUiOpAsD"
    said = f"554 refused: bad URL http://127.0.0.1:8000/registrations/{token} ({token})"
    assert redact(said, "a@example.org") == "554 refused: bad URL <link> (<token>)"


def test_a_name_between_underscores_is_not_kept():
    assert redact("550 user_mary_full x", "mary@ex.org") == "550 user_<address>_full x"


@pytest.mark.parametrize(
    ("code", "said", "kept"),
    [
        (250, b"2.0.0 Ok: queued as 4F2A1C0D3E", "250 2.0.0"),
        (250, b"OK id=1tHabc-000000-2X", "250"),
        (250, b"2.0.0x OK", "250"),
        (250, b"", "250"),
    ],
)
def test_of_an_accepted_letter_only_the_codes_are_kept(code, said, kept):
    assert accepted(code, said) == kept
