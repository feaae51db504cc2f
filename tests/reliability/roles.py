"""Every route, by every method, in every role: nobody sees or changes what is another's.

The routes are those of the app, so that a new one is tried without being named here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import inspect
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from registration.crypto.tokens import new_token
from registration.database import reading, writing
from registration.models import Attendee, Discussion, Letter, Registration
from registration.services.erasure import erasures
from registration.services.registrations import self_service

from .. import builders
from ..fuzzing.service import GOOD, Service, running
from ..visitor import Browser
from .figures import Figure, Scale

METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE")
SAFE = frozenset(METHODS[:4])
# Each is somebody with a name and links of their own; the last is never the one who asks.
PEOPLE = ("attendee", "elsewhere", "withdrawn", "erased", "bystander")
# Roles without a link of their own: no link, an erased one, and links in the wrong place.
LINKLESS = ("stranger", "erased", "swapped")
ROLES = ("attendee", "elsewhere", "withdrawn", *LINKLESS)
_COLUMNS = inspect(Registration).columns.keys()
LEAKS, CHANGES, TELLING = "leaks", "changes", "wrong and erased links told apart"


@dataclass(frozen=True, slots=True)
class Case:
    """One request: a route, a method, and the role of its sender."""

    rule: Rule
    method: str
    role: str

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule} by {self.role}"


def run(scale: Scale) -> Iterator[Figure]:
    """Try all of them; where it is to be brief, only what pages themselves send."""
    methods = ("GET", "POST") if scale is Scale.BRIEF else METHODS
    with TemporaryDirectory(prefix="roles-") as folder, running(Path(folder)) as service:
        # As where others than this machine's users reach it.
        service.app.config["BOUND_TO_LOOPBACK"] = False
        builders.publish(builders.file('slug = "elsewhere"\nregistration = "open"'))
        trial = Trial(service)
        for rule in service.app.url_map.iter_rules():
            for method in methods:
                trial.of(rule, method)
    found = trial.found
    what = f"{len(list(service.app.url_map.iter_rules()))} routes x {len(methods)} methods"
    what += f" x {len(ROLES)} roles"
    told = ", ".join(f"{found[kind]} {kind}" for kind in (LEAKS, CHANGES, TELLING))
    told += f" in {trial.tried} requests, of which {trial.own_changes} changed what is their own"
    told += "".join(f"; {case}" for case in trial.broken[:5])
    yield Figure(what, told, not found and trial.own_changes > 0)


class Trial:
    """Asks in every role, counts what it finds, and begins anew when something has changed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.found: Counter[str] = Counter()
        self.broken: list[str] = []
        self.tried = self.own_changes = 0
        self._begin()

    def _begin(self) -> None:
        self.service.forget_people()
        for name in PEOPLE:
            slug = "elsewhere" if name == "elsewhere" else "water"
            builders.register(slug, f"{name}@of-{name}.example.org", name=f"Name Of {name}")
        found = {row.public_id: row for row in _rows()}
        people = [row.attendee(builders.ring()) for row in found.values()]
        self.people = {person.name.rpartition(" ")[2]: person for person in people}
        builders.confirm("elsewhere@of-elsewhere.example.org", "elsewhere")
        with writing() as tx:
            row, _discussion = self_service.by_token(tx, self.people["withdrawn"].token)
            self_service.withdraw(tx, row)
            row, _discussion = self_service.by_token(tx, self.people["erased"].token)
            erasures.erase(tx, row, letters=None)
        self.held = _held()

    def of(self, rule: Rule, method: str) -> None:
        """Ask for one route by one method in every role."""
        answers = {}
        for role in ROLES:
            case = Case(rule, method, role)
            answers[role] = self._ask(case)
            self.tried += 1
            self._leaks_nothing(case, answers[role])
            self._changes_nothing(case)
        if "token" in rule.arguments and len({_said(answers[role]) for role in LINKLESS}) > 1:
            self._note(TELLING, case)

    def _ask(self, case: Case) -> TestResponse:
        app = self.service.app
        client = Browser(app, app.response_class, use_cookies=False)
        # With the cookie and the token of a form that was opened long enough ago.
        typed = self.service.hidden | GOOD | {"email": f"new@{case.role}.example.org"}
        cookie = self.service.client.get_cookie("session")
        assert cookie
        headers = {"Cookie": f"session={cookie.value}"}
        data = typed if case.method not in SAFE else None
        return client.open(self._path(case), method=case.method, data=data, headers=headers)

    def _path(self, case: Case) -> str:
        filled = {"slug": "water", "number": 0, "filename": "icon.svg", "key": "0" * 32}
        # The desk's own: no secrets, so that the way to the sign-in may repeat them.
        filled |= dict.fromkeys(("public_id", "mailing"), self.people["attendee"].public_id)
        for name in case.rule.arguments:
            filled.setdefault(name, self._link(case, is_calendars="calendar" in case.rule.rule))
        _domain, path = case.rule.build(filled) or ("", "/")
        return path

    def _link(self, case: Case, *, is_calendars: bool) -> str:
        if case.role == "stranger":
            return new_token()
        person = self.people["attendee" if case.role == "swapped" else case.role]
        is_swapped = case.role == "swapped"
        return person.calendar_token if is_calendars != is_swapped else person.token

    def _leaks_nothing(self, case: Case, answer: TestResponse) -> None:
        said = answer.get_data() + str(answer.headers).encode()
        own = None if case.role in LINKLESS else case.role
        for name, person in self.people.items():
            if name != own and any(sign.encode() in said for sign in _signs(person, case)):
                self._note(LEAKS, case)

    def _changes_nothing(self, case: Case) -> None:
        """Count what a reading method has changed, and any method of what is another's."""
        held = _held()
        if held == self.held:
            return
        own = None if case.role in LINKLESS else self.people[case.role].public_id
        others = {key: row for key, row in self.held.items() if key != own}
        if case.method in SAFE or any(held.get(key) != row for key, row in others.items()):
            self._note(CHANGES, case)
        else:
            self.own_changes += 1
        self._begin()

    def _note(self, what: str, case: Case) -> None:
        self.found[what] += 1
        self.broken.append(f"{what}: {case}")


def _signs(person: Attendee, case: Case) -> tuple[str, ...]:
    """Return the words that give a person away; a link may stand in its own answer."""
    links = (person.token, person.calendar_token)
    is_swapped = case.role == "swapped" and "attendee" in person.address
    return (person.name, person.address, *(() if is_swapped else links))


def _said(answer: TestResponse) -> tuple[object, ...]:
    """Return all of an answer, but for the address asked for that a redirect may repeat."""
    headers = sorted((name, value) for name, value in answer.headers if name != "Set-Cookie")
    return answer.status_code, tuple(headers), answer.get_data()


def _rows() -> list[Registration]:
    with reading() as tx:
        return tx.query(Registration).order_by(Registration.id).all()


def _held() -> dict[str, tuple[object, ...]]:
    """Return each registration, all its columns and its letters, by public id; and discussions."""
    with reading() as tx:
        found: dict[str, tuple[object, ...]] = {}
        for row in tx.query(Registration):
            letters = tx.query(Letter).filter_by(registration_id=row.id).order_by(Letter.id)
            columns = [getattr(row, name) for name in _COLUMNS]
            found[row.public_id] = (columns, [(it.id, it.kind, it.state) for it in letters])
        for item in tx.query(Discussion):
            found[item.slug] = (item.version, item.status, item.changed_at)
        return found
