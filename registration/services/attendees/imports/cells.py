"""The cells of one row, each in its right shape, and what is wrong with those that are not."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ....models import Answer, Question, RegistrationStatus
from ....text import addresses, languages, normalize
from ....text.addresses import AddressRefused, EmailAddress
from ...registrations.register import MOST_LINE, MOST_LONG, MOST_NAME, Entry

_YES, _NO = {"yes", "true", "1"}, {"", "no", "false", "0"}


class Cells:
    """Hands out the cells of a row by column, and collects what is wrong with them."""

    def __init__(
        self, cells: Mapping[str, str], questions: Mapping[str, Question], now: datetime
    ) -> None:
        self.cells, self.questions, self.now = cells, questions, now
        self.mistakes: list[str] = []

    def entry(self) -> Entry | None:
        """Return who it is; None if there is no address."""
        name = self._text("name", MOST_NAME)
        if not name and not self._is_told("name"):
            self._wrong("name", "is empty; a pseudonym is fine.")
        address = self._address()
        affiliation = self._text("affiliation", MOST_NAME)
        language = self._language()
        answers: dict[str, Answer] = {}
        for key, question in self.questions.items():
            if key in self.cells and (answer := self._answer(question)):
                answers[key] = answer
        return Entry(name, address, affiliation, answers, language=language) if address else None

    def time(self, column: str) -> datetime | None:
        """Return an instant: ISO 8601, in UTC unless it says otherwise; None for an empty cell."""
        cell = self.cells.get(column, "").strip()
        if not cell:
            return None
        try:
            found = datetime.fromisoformat(cell)
        except ValueError:
            self._wrong(column, "is no time such as 2026-03-02T12:00:00Z.")
            return None
        if 1970 <= found.year <= self.now.year + 1:  # beyond, no zone may be reckoned with
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
            if found <= self.now:
                return found
        self._wrong(column, "lies ahead, or before 1970.")
        return None

    def status(
        self, confirmed_at: datetime | None, withdrawn_at: datetime | None
    ) -> RegistrationStatus | None:
        """Return where somebody stands; by the times, where the column does not say."""
        cell = self.cells.get("status", "").strip().casefold()
        if cell in set(RegistrationStatus):
            return RegistrationStatus(cell)
        if cell:
            self._wrong("status", f"must be one of {', '.join(RegistrationStatus)}.")
        if withdrawn_at:
            return RegistrationStatus.WITHDRAWN
        return RegistrationStatus.CONFIRMED if confirmed_at else None

    def refuse_disagreeing(
        self,
        status: RegistrationStatus | None,
        registered_at: datetime | None,
        confirmed_at: datetime | None,
        withdrawn_at: datetime | None,
    ) -> None:
        """Note where the state and the times of a row say different things."""
        if withdrawn_at and status is not RegistrationStatus.WITHDRAWN:
            self._wrong("withdrawn_at", "is there, and status says otherwise.")
        if confirmed_at and status is RegistrationStatus.UNCONFIRMED:
            self._wrong("confirmed_at", "is there, and status says otherwise.")
        for column, at in (("confirmed_at", confirmed_at), ("withdrawn_at", withdrawn_at)):
            if at and registered_at and at < registered_at:
                self._wrong(column, "lies before registered_at.")

    def flag(self, column: str) -> bool:
        """Return whether a cell says yes."""
        cell = self.cells.get(column, "").strip().casefold()
        if cell not in _YES | _NO:
            self._wrong(column, "must be yes, no or empty.")
        return cell in _YES

    def _text(self, column: str, most: int, *, is_long: bool = False) -> str:
        cell = self.cells.get(column, "")
        try:
            cleaned = normalize.paragraphs(cell) if is_long else normalize.line(cell)
        except normalize.ForbiddenCharacter as error:
            self._wrong(column, f"{error}.")
            return ""
        if len(cleaned) > most:
            self._wrong(column, f"has more than {most} characters.")
        return cleaned

    def _address(self) -> EmailAddress | None:
        try:
            return addresses.parse(self.cells["email"])
        except AddressRefused as error:
            self._wrong("email", f"{error}.")
            return None

    def _language(self) -> str:
        cell = self.cells.get("language", "").strip()
        if cell and not languages.is_tag(cell):
            self._wrong("language", "must be a language tag such as en, ru or kk.")
        return cell or languages.DEFAULT_LANGUAGE

    def _answer(self, question: Question) -> Answer:
        key = question.key
        if question.kind == "yes":
            return self.flag(key)
        if question.kind == "long":
            return self._text(key, MOST_LONG, is_long=True)
        # Several choices stand in one cell, with semicolons between them.
        most = MOST_LONG if question.kind == "choices" else MOST_LINE
        cell = self._text(key, most)
        if question.kind == "line":
            return cell
        chosen = [item for item in re.split(r"; ?", cell) if item]
        if question.kind == "choice":
            chosen = [cell] if cell else []
        if not set(chosen) <= set(question.options):
            self._wrong(key, f"must be among {'; '.join(question.options)}.")
        return chosen if question.kind == "choices" else cell

    def _is_told(self, column: str) -> bool:
        return any(sentence.startswith(f"{column} ") for sentence in self.mistakes)

    def _wrong(self, column: str, sentence: str) -> None:
        self.mistakes.append(f"{column} {sentence}")
