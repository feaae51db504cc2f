"""Parses the cells of one row of a CSV, and collects their mistakes."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ....discussion_file.form_size import (
    MAX_LINE_CHARACTERS,
    MAX_LONG_CHARACTERS,
    MAX_NAME_CHARACTERS,
)
from ....models import Answer, Question, RegistrationStatus
from ....refusals import N_, Message, Sentence
from ....text import addresses, languages, normalize
from ....text.addresses import AddressRefused, EmailAddress
from ...registrations.register import Entry

_YES = {"yes", "true", "1"}
_NO = {"", "no", "false", "0"}


class Cells:
    """The cells of a row by column; `mistakes` has a sentence for each that is wrong."""

    def __init__(
        self,
        cells: Mapping[str, str],
        questions: Mapping[str, Question],
        now: datetime,
        *,
        needs_name: bool = True,
    ) -> None:
        self.cells, self.questions, self.now = cells, questions, now
        self.needs_name = needs_name
        self.mistakes: list[Sentence] = []

    def entry(self) -> Entry | None:
        """Return what the row says of the attendee; None if it has no valid address."""
        name = self._text("name", MAX_NAME_CHARACTERS)
        if not name and self.needs_name and not self._is_told("name"):
            self._wrong("name", N_("is empty; a pseudonym is fine."))
        address = self._address()
        affiliation = self._text("affiliation", MAX_NAME_CHARACTERS)
        language = self._language()
        answers: dict[str, Answer] = {}
        for key, question in self.questions.items():
            if key in self.cells and (answer := self._answer(question)):
                answers[key] = answer
        return Entry(name, address, affiliation, answers, language=language) if address else None

    def time(self, column: str) -> datetime | None:
        """Return the instant of an ISO 8601 cell, UTC unless it has an offset; None if empty."""
        cell = self.cells.get(column, "").strip()
        if not cell:
            return None
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            self._wrong(column, N_("is no time such as 2026-03-02T12:00:00Z."))
            return None
        if 1970 <= moment.year <= self.now.year + 1:  # beyond, no zone may be reckoned with
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            if moment <= self.now:
                return moment
        self._wrong(column, N_("lies ahead, or before 1970."))
        return None

    def status(
        self, confirmed_at: datetime | None, withdrawn_at: datetime | None
    ) -> RegistrationStatus | None:
        """Return the status; if the cell is empty, the one that follows from the times, or None."""
        cell = self.cells.get("status", "").strip().casefold()
        if cell in set(RegistrationStatus):
            return RegistrationStatus(cell)
        if cell:
            self._wrong(
                "status", N_("must be one of %(options)s."), options=", ".join(RegistrationStatus)
            )
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
        """Note a mistake where status and times contradict each other."""
        if withdrawn_at and status is not RegistrationStatus.WITHDRAWN:
            self._wrong("withdrawn_at", N_("is there, and status says otherwise."))
        if confirmed_at and status is RegistrationStatus.UNCONFIRMED:
            self._wrong("confirmed_at", N_("is there, and status says otherwise."))
        for column, at in (("confirmed_at", confirmed_at), ("withdrawn_at", withdrawn_at)):
            if at and registered_at and at < registered_at:
                self._wrong(column, N_("lies before registered_at."))

    def flag(self, column: str) -> bool:
        """Return whether a cell says yes."""
        cell = self.cells.get(column, "").strip().casefold()
        if cell not in _YES | _NO:
            self._wrong(column, N_("must be yes, no or empty."))
        return cell in _YES

    def _text(self, column: str, most: int, *, is_long: bool = False) -> str:
        cell = self.cells.get(column, "")
        try:
            cleaned = normalize.paragraphs(cell) if is_long else normalize.line(cell)
        except normalize.ForbiddenCharacter as error:
            self._wrong(column, N_("%(said)s."), said=error.said)
            return ""
        if len(cleaned) > most:
            self._wrong(column, N_("has more than %(most)s characters."), most=most)
        return cleaned

    def _address(self) -> EmailAddress | None:
        try:
            return addresses.parse(self.cells["email"])
        except AddressRefused as error:
            self._wrong("email", N_("%(said)s."), said=error.said)
            return None

    def _language(self) -> str:
        cell = self.cells.get("language", "").strip()
        if cell and not languages.is_tag(cell):
            self._wrong("language", N_("must be a language tag such as en, ru or kk."))
        return cell or languages.DEFAULT_LANGUAGE

    def _answer(self, question: Question) -> Answer:
        key = question.key
        if question.kind == "yes":
            return self.flag(key)
        if question.kind == "long":
            return self._text(key, MAX_LONG_CHARACTERS, is_long=True)
        # One cell has all choices, separated by semicolons.
        most = MAX_LONG_CHARACTERS if question.kind == "choices" else MAX_LINE_CHARACTERS
        cell = self._text(key, most)
        if question.kind == "line":
            return cell
        chosen = [item for item in re.split(r"; ?", cell) if item]
        if question.kind == "choice":
            chosen = [cell] if cell else []
        if not set(chosen) <= set(question.options):
            self._wrong(key, N_("must be among %(options)s."), options="; ".join(question.options))
        return chosen if question.kind == "choices" else cell

    def _is_told(self, column: str) -> bool:
        return any(sentence.values["column"] == column for sentence in self.mistakes)

    def _wrong(self, column: str, message: Message, **values: object) -> None:
        sentence = Sentence(message, **values)
        self.mistakes.append(
            Sentence(N_("%(column)s %(sentence)s"), column=column, sentence=sentence)
        )
