"""How long the answers of a registration form may be, and how many bytes all of them together.

A browser sends the form in parts (multipart/form-data), in UTF-8 of at most four bytes a character;
percent-encoded, they would be three times as many. A form larger than `MAX_FORM_BYTES` is refused,
so no discussion may ask for more.
"""

from ..models import Content, Question

# The largest body of a form that anybody may send.
MAX_FORM_BYTES = 64 * 1024
MAX_NAME_CHARACTERS = 200
MAX_LINE_CHARACTERS = 300
MAX_LONG_CHARACTERS = 2000
# An address has at most 254 characters (RFC 5321 4.5.3.1.3).
MAX_ADDRESS_CHARACTERS = 254
_CHARACTER_BYTES = 4
# Around a value: a boundary of at most 70 characters (RFC 2046 5.1.1), the header, line ends, and
# what stands before a question's key in the name of its field.
_PART_BYTES = 140
# The fields that every form has: name, affiliation, address, and seven short ones.
_COMMON_BYTES = (
    _CHARACTER_BYTES * (2 * MAX_NAME_CHARACTERS + MAX_ADDRESS_CHARACTERS) + 10 * _PART_BYTES + 500
)


def largest_form(content: Content) -> int:
    """Return how many bytes a form for `content` has if every answer is as long as it may be."""
    questions = sum(map(_largest_answer, content.questions))
    return _COMMON_BYTES + questions + len(content.sharing) * _PART_BYTES


def _largest_answer(question: Question) -> int:
    part = _PART_BYTES + len(question.key)
    options = [len(option.encode()) for option in question.options]
    if question.kind == "line":
        return part + _CHARACTER_BYTES * MAX_LINE_CHARACTERS
    if question.kind == "long":
        return part + _CHARACTER_BYTES * MAX_LONG_CHARACTERS
    if question.kind == "choices":  # each chosen option is a part
        return sum(part + option for option in options)
    return part + max(options, default=1)
