"""What the service refuses, and its sentences for people.

A sentence is written in English and marked for translation with `N_` or `N_ngettext`. `str()` of it
is English: commands, logs and what is stored say that. A page says `text.languages.phrase` of it.
"""

from typing import Any, Self

# A sentence, or the forms for one and for several of its value `num`.
Message = str | tuple[str, str]


def N_(message: str) -> str:  # noqa: N802  # gettext's own name for it
    """Mark a sentence for the catalogue, without translating it."""
    return message


def N_ngettext(singular: str, plural: str) -> tuple[str, str]:  # noqa: N802
    """Mark the forms of a sentence for the catalogue; its value `num` chooses one."""
    return singular, plural


class Sentence(str):
    """A message filled with values, in English, and what it takes to say it in other languages.

    Values may be sentences themselves.
    """

    message: Message
    values: dict[str, Any]

    def __new__(cls, message: Message, /, **values: Any) -> Self:
        if isinstance(message, str):
            chosen = message
        else:
            chosen = message[0] if values["num"] == 1 else message[1]
        sentence = super().__new__(cls, chosen % values)
        sentence.message, sentence.values = message, values
        return sentence


class Refusal(Exception):
    """Something asked for that is not done, named as a fact.

    A reason is a class with its `sentence`; values fill it.
    """

    sentence: Message

    def __init__(self, **values: Any) -> None:
        self.said: str = Sentence(self.sentence, **values)
        super().__init__(self.said)


class OperatorRefusal(Refusal):
    """A refusal that only the operator reads, on the command line or in the log: both are English,
    so it is raised with its sentence. A page shows its HTTP status at most."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)
        self.said = sentence
