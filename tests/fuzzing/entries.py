"""Form entries: accepted and read back from every output, or refused and kept in the form."""

import json
import random
from dataclasses import dataclass
from urllib.parse import quote_from_bytes
from xml.etree.ElementTree import Element

from hypothesis import strategies as st

from registration.database import reading, writing
from registration.models import Attendee, Registration
from registration.services.attendees import exports

from .. import builders
from . import readers, texts
from .readers import accepted_as, same, stands_in
from .service import FORM, FREE, GOOD, Service

FORM_ENCODED = "application/x-www-form-urlencoded"
_CHOSEN = {
    "question_seat": ["Front", "Back", "", "Roof", "\0"],
    "question_topics": ["Rivers", "Lakes & seas", "Law", "Fire"],
    "question_rules": ["y", "", "false"],
    "sharing_0": ["y", "true"],
    "website": ["", "http://spam.example"],
}


@dataclass(frozen=True)
class Typed:
    """The fields of one form in the order they are sent, and in which encoding."""

    fields: list[tuple[str, str]]
    in_parts: bool

    def body(self, hidden: dict[str, str]) -> tuple[bytes, str]:
        """Return the body as a browser would send it, and its content type."""
        fields = [*self.fields, *hidden.items()]
        if self.in_parts:
            return _parts(fields), "multipart/form-data; boundary=x-x"
        pairs = (f"{_escaped(name)}={_escaped(value)}" for name, value in fields)
        return "&".join(pairs).encode(), FORM_ENCODED

    def first(self, name: str) -> str:
        """Return the first value sent for a field, the one that counts."""
        return next((value for key, value in self.fields if key == name), "")


def _escaped(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"))


def _parts(fields: list[tuple[str, str]]) -> bytes:
    lines = (
        f'--x-x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + value.encode("utf-8", "surrogatepass")
        for name, value in fields
    )
    return b"\r\n".join([*lines, b"--x-x--\r\n"])


@st.composite
def typed(draw: st.DrawFn) -> Typed:
    """Return forms that are right but for some fields, in which anything stands."""
    fields = dict(GOOD)
    for name in draw(st.sets(st.sampled_from(FREE), min_size=1)):
        fields[name] = draw(texts.mostly(texts.visible(), texts.hostile()))
    if draw(st.booleans()):
        fields["email"] = draw(texts.addresses())
    for name in draw(st.sets(st.sampled_from(sorted(_CHOSEN)), max_size=1)):
        fields[name] = draw(st.sampled_from(_CHOSEN[name]))
    pairs = list(fields.items())
    if draw(st.integers(0, 9)) == 9:
        name = draw(st.sampled_from([*FREE, "email", "opened", "token", "public_id"]))
        pairs.insert(draw(st.integers(0, len(pairs))), (name, draw(texts.hostile(surrogates=True))))
    random.Random(len(pairs)).shuffle(pairs)
    return Typed(pairs, draw(st.integers(0, 4)) == 4)


def check_form(service: Service, sent: Typed) -> bool:
    """Send a form; return whether it was taken, and then read it back from everywhere."""
    body, kind = sent.body(service.hidden)
    answer = service.client.post(FORM, data=body, content_type=kind)
    service.answered(answer, {303, 400, 422})
    tree = readers.page(answer.text, service.known)
    if answer.status_code == 303:
        same(answer.location, "/discussions/water/registered", "Location")
        try:
            _read_back(service, sent)
        finally:
            service.forget_people()
        return True
    with reading() as tx:
        same(tx.query(Registration).count(), 0, "registrations after a refusal")
    if answer.status_code == 422:
        _is_kept(tree, sent)
    else:
        same(tree.findall(".//form"), [], "the forms of a page of 400")
    return False


def _is_kept(tree: Element, sent: Typed) -> None:
    """Check that what was typed stands in its field again (a NUL becomes U+FFFD in HTML)."""
    for name in (*FREE, "email"):
        typed = sent.first(name).replace("\0", "\ufffd")
        accepted_as(typed, readers.shown(tree, name), f"{name} in the form")


def _read_back(service: Service, sent: Typed) -> None:
    with reading() as tx:
        person = tx.query(Registration).one().attendee(tx.keys)
    for name in ("name", "affiliation"):
        accepted_as(sent.first(name), getattr(person, name), name)
    for name in ("city", "ask"):
        accepted_as(sent.first(f"question_{name}"), str(person.answers.get(name, "")), name)
    stands_everywhere(service, person)


def stands_everywhere(service: Service, person: Attendee) -> None:
    """Read an attendee back from own page, JSON, CSV, letters and the letters' calendar."""
    _on_own_page(service, person)
    held = json.loads(service.get(f"/registrations/{person.token}.json"))
    same((held["name"], held["email"]), (person.name, person.address), "JSON")
    same((held["affiliation"], held["answers"]), (person.affiliation, person.answers), "JSON")
    _in_csv(person)
    with writing() as tx:  # a letter to an address that is not proved has nothing that was typed
        tx.query(Registration).update({"address_proved_at": tx.now})
    for content in service.letters():
        _in_letter(service, content, person)


def _on_own_page(service: Service, person: Attendee) -> None:
    tree = readers.page(service.get(f"/registrations/{person.token}"), service.known)
    held = [readers.said(item) for item in tree.iter("dd")]
    texts_held = [person.name, person.address, person.affiliation]
    wanted = [text for text in texts_held if text]
    # A question's answers stand in the order of the questions.
    for key in ("city", "ask", "seat"):
        wanted += [str(person.answers[key])] if key in person.answers else []
    same(held[: len(wanted)], wanted, "own page")
    same(readers.shown(tree, "name"), person.name, "the form to change")
    wanted = str(person.answers.get("ask", ""))
    same(readers.shown(tree, "question_ask"), wanted, "the form to change")


def _in_csv(person: Attendee) -> None:
    with reading() as tx:
        names = exports.header(tx, "water")
    rows = exports.attendees(reading, "water")
    written = "".join(exports.csv_lines(rows, names)).removeprefix(exports.BOM)
    header, row = readers.cells(written)
    found = dict(zip(header, row, strict=True))
    same((found["name"], found["email"]), (person.name, person.address), "CSV")
    same(found["affiliation"], person.affiliation, "CSV")
    for key in ("city", "ask", "seat"):
        same(found[key], str(person.answers.get(key, "")), "CSV")


def _in_letter(service: Service, content: bytes, person: Attendee) -> None:
    message = readers.letter(content)
    (to,) = message["To"].addresses
    same((to.addr_spec, to.display_name), (person.address, ""), "To")
    text = message.get_body(("plain",)).get_content().split("\r\n")
    stands_in(f"Hello {person.name},", text, "the letter's text")
    tree = readers.page(message.get_body(("html",)).get_content(), service.known_in_letters)
    stands_in(f"Hello {person.name},", readers.every(tree, "p"), "the letter's HTML")
    for part in message.walk():
        if part.get_content_type() in {"text/calendar", "application/ics"}:
            event = readers.calendar(part.get_payload(decode=True))
            same(event["ATTENDEE"].value, f"mailto:{person.address}", "ATTENDEE")
            known = {"CUTYPE", "ROLE", "PARTSTAT", "RSVP"}
            readers.none_foreign(set(event["ATTENDEE"].parameters), known, "ATTENDEE")


def check_address(service: Service, address: str) -> bool:
    """Ask for the personal link of an address; if it is one, register it and read it back."""
    data = service.hidden | {"email": address}
    answer = service.client.post("/registrations/find", data=data)
    service.answered(answer, {303, 422})
    tree = readers.page(answer.text, service.known)
    if answer.status_code == 422:
        wanted = readers.squeezed(address.replace("\0", "\ufffd"))
        same(readers.squeezed(readers.shown(tree, "email")), wanted, "the address in the form")
        return False
    builders.register("water", address)
    try:
        _read_back(service, Typed([("name", "Айгерим")], in_parts=False))
    finally:
        service.forget_people()
    return True
