"""A calendar program: libical parses, and RFC 5546 2.1.5 decides which update counts."""

import ctypes
import ctypes.util
from dataclasses import dataclass, field

from ..machine import require


@dataclass(frozen=True)
class Entry:
    """The visible properties of one UID in a calendar; empty if it was taken out."""

    sequence: int
    stamp: str
    is_shown: bool
    values: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        return dict(self.values)[name]


# Properties of an entry that are compared.
SHOWN = ("SUMMARY", "DTSTART", "DTEND", "LOCATION", "STATUS", "DESCRIPTION", "TRANSP")


@dataclass
class Client:
    """One person's calendar, to which invitations come in whatever order."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def receive(self, content: bytes) -> None:
        """Take an invitation or a cancellation (iTIP), unless a later one has come."""
        lib = _library()
        calendar = lib.icalparser_parse_string(content)
        assert calendar, "libical reads nothing"
        event = lib.icalcomponent_get_first_real_component(calendar)
        method, uid = _value(calendar, "METHOD"), _value(event, "UID")
        found = Entry(
            int(_value(event, "SEQUENCE")),
            _value(event, "DTSTAMP"),
            method == "REQUEST",
            tuple((name, _value(event, name)) for name in SHOWN),
        )
        held = self.entries.get(uid)
        if held is None or (found.sequence, found.stamp) > (held.sequence, held.stamp):
            self.entries[uid] = found
        lib.icalcomponent_free(calendar)


def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("ical")
    require(name, "libical is not installed")
    lib = ctypes.CDLL(name)
    for function, kinds, result in (
        ("icalparser_parse_string", [ctypes.c_char_p], ctypes.c_void_p),
        ("icalcomponent_get_first_real_component", [ctypes.c_void_p], ctypes.c_void_p),
        ("icalcomponent_get_first_property", [ctypes.c_void_p, ctypes.c_int], ctypes.c_void_p),
        ("icalproperty_string_to_kind", [ctypes.c_char_p], ctypes.c_int),
        ("icalproperty_get_value_as_string", [ctypes.c_void_p], ctypes.c_char_p),
        ("icalcomponent_free", [ctypes.c_void_p], None),
    ):
        getattr(lib, function).argtypes, getattr(lib, function).restype = kinds, result
    return lib


def _value(component: int, name: str) -> str:
    lib = _library()
    kind = lib.icalproperty_string_to_kind(name.encode())
    found = lib.icalcomponent_get_first_property(component, kind)
    return lib.icalproperty_get_value_as_string(found).decode() if found else ""
