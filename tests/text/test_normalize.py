"""Text: brought to one form or refused; nothing else is lost."""

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.text.normalize import ForbiddenCharacter, cleaned, line, paragraphs, sorting_key

# Every code point, surrogates too, and often those that end lines or turn text around.
NASTY = "\r\n\t\v\f\x00\x1b\x1c\x85\xa0\u2028\u2029\u202e\u2066\u0301\ufeff\ufffe\ud800 "
ANYTHING = st.text(st.one_of(st.characters(codec=None), st.sampled_from(NASTY)), max_size=30)
OVERRIDES = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def is_seen(text: str) -> bool:
    """Whether a text has a character that takes space: not only joiners, marks and the like."""
    kinds = (unicodedata.category(character) for character in text)
    return any(kind[0] in "LNPS" or kind in {"Co", "Cn"} for kind in kinds)


def is_dangerous(character: str) -> bool:
    """Whether a character is a control, surrogate, separator, override or noncharacter."""
    code = ord(character)
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or code in OVERRIDES
        or code % 0x10000 >= 0xFFFE
        or 0xFDD0 <= code <= 0xFDEF
    )


def words(text: str) -> str:
    """Return a text without any space, in one normal form."""
    return "".join(unicodedata.normalize("NFC", text).split())


def outcome(clean: Callable[[str], str], text: str) -> tuple[str, str]:
    """Return what cleaning gives, and the character that it refuses."""
    try:
        return clean(text), ""
    except ForbiddenCharacter as refusal:
        return "", chr(int(refusal.code[2:], 16))


@given(ANYTHING)
def test_a_line_is_clean_or_refused(text):
    cleaned, refused = outcome(line, text)
    assert all(is_dangerous(character) and character in text for character in refused)
    assert not any(map(is_dangerous, cleaned))
    assert line(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert refused or words(cleaned) == (words(text) if is_seen(text) else words(""))
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


@given(ANYTHING)
def test_paragraphs_are_clean_or_refused(text):
    cleaned, refused = outcome(paragraphs, text)
    assert all(is_dangerous(character) and character in text for character in refused)
    assert not any(map(is_dangerous, cleaned.replace("\n", "")))
    assert paragraphs(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert refused or words(cleaned) == (words(text) if is_seen(text) else words(""))


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_text_without_spaces_and_controls_is_only_brought_to_nfc(text):
    kept = unicodedata.normalize("NFC", text) if is_seen(text) else ""
    assert line(text) == paragraphs(text) == kept


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\n", "\r", "\v", "\f", "\u2028", "\u2029", "\u202a",
     "\u202e", "\u2066", "\u2069", "\ud800", "\ufffe", "\uffff", "\U0010ffff", "\ufdd0"],
)  # fmt: skip
def test_a_line_refuses_the_character_by_its_code(character):
    with pytest.raises(ForbiddenCharacter) as refusal:
        line(f"a{character}b")
    assert refusal.value.code == f"U+{ord(character):04X}"
    assert str(refusal.value) == (
        f"holds the character U+{ord(character):04X}, which cannot be shown; remove it"
    )


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\u202e", "\u2067", "\ud800", "\uffff"])
def test_paragraphs_refuse_the_character_by_its_code(character):
    with pytest.raises(ForbiddenCharacter) as refusal:
        paragraphs(f"a\n{character}b")
    assert refusal.value.code == f"U+{ord(character):04X}"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_paragraphs_have_one_kind_of_line_end(end):
    assert paragraphs(f"a{end}{end}b{end}") == "a\n\nb"


def test_tabs_and_hard_spaces_are_spaces_in_a_line():
    assert line("\u00a0 Ai\tgul\u00a0 \t A. ") == "Ai gul A."


@pytest.mark.parametrize(
    "text",
    ["نمی\u200cشود", "👩\u200d🔬", "क्\u200dष", "\u200fعربي", "🏴\U000e0067\U000e007f", "«Ұлт»"],
)
def test_marks_that_scripts_need_are_kept(text):
    assert line(text) == text


def test_an_emoji_newer_than_this_python_is_kept():
    newest = "\U0001fae8 \U0001fadf"
    assert line(newest) == paragraphs(newest) == newest


def test_text_is_composed():
    assert line("И\u0306") == "Й"
    assert paragraphs("e\u0301") == "é"


@pytest.mark.parametrize("invisible", ["\u200b", "\u200d\u200b", "\ufeff", "\u0301"])
def test_text_that_nobody_can_see_is_empty(invisible):
    assert line(invisible) == ""
    assert paragraphs(invisible) == ""


@pytest.mark.parametrize("clean", [line, paragraphs])
def test_marks_heaped_on_a_letter_are_refused_at_once(clean):
    # Normalizing so many would take minutes.
    with pytest.raises(ForbiddenCharacter) as refusal:
        clean("a" + "\u0301" * 100_000 + "\u0316" * 100_000)
    assert refusal.value.code == "U+0301"
    assert clean("a" + "\u0301" * 30)


@pytest.mark.parametrize("mark", ["\u0f73", "\u0f75", "\u0f81", "\u0301", "\u0e31", "\u20dd"])
def test_heaped_marks_of_any_class_are_refused_before_they_cost_anything(mark):
    started = time.process_time()
    with pytest.raises(ForbiddenCharacter):
        line("a" + mark * 150_000)
    assert time.process_time() - started < 0.5


def test_words_of_scripts_with_many_marks_are_kept():
    for word in ("กำลังใจที่ดีที่สุด", "བསྒྲུབས་པའི་རྟེན་འབྲེལ", "क्षत्रियाणाम्", "Việt Nam tiếng Việt", "Қазақстан"):
        assert line(word)


def test_a_byte_order_mark_is_left_out_wherever_it_stands():
    for read in (line, paragraphs, cleaned):
        assert read("\ufeffĊ\ufeffÄ\ufeff") == "ĊÄ"
    assert line("\ufeff") == ""


def test_names_sort_as_in_the_alphabets_of_their_languages():
    names = [
        *("Zoë", "Абай", "Азат", "Әсел", "Болат", "Еркін", "Ёлкин", "Йосиф", "Қанат"),
        *("Нұрлан", "Ңұ", "Одина", "Өмір", "Ұлан", "Үміт", "Ясмин"),
    ]
    assert sorted(names, key=sorting_key) == names
    assert sorting_key("Řehoř") < sorting_key("Zoe")
    assert sorting_key("ÉMILE") == sorting_key("emile")
