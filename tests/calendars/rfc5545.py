"""Reads iCalendar as RFC 5545 is written, line by line, and fails at whatever it does not allow.

It shares nothing with the library that writes.
"""

import re
import unicodedata
from dataclasses import dataclass, field

_PARAMETER = r';[A-Z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*'
_LINE = re.compile(rf"([A-Z0-9-]+)((?:{_PARAMETER})*):(.*)", re.DOTALL)
_TEXT = re.compile(r"(?:[^\\;,]|\\[\\;,nN])*", re.DOTALL)


@dataclass
class Property:
    """One content line: its name, its parameters, and its value as it is written."""

    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value as TEXT (3.3.11)."""
        assert _TEXT.fullmatch(self.value), f"{self.name} is not TEXT: {self.value}"
        return re.sub(r"\\(.)", lambda found: _unescaped(found[1]), self.value)


@dataclass
class Component:
    """The lines between BEGIN and END, parsed."""

    name: str
    properties: list[Property] = field(default_factory=list)
    components: list["Component"] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {item.name for item in self.properties}

    def all(self, name: str) -> list[Property]:
        return [item for item in self.properties if item.name == name]

    def __getitem__(self, name: str) -> Property:
        (found,) = self.all(name)
        return found

    @property
    def events(self) -> list["Component"]:
        return [item for item in self.components if item.name == "VEVENT"]

    @property
    def event(self) -> "Component":
        (found,) = self.events
        return found


def read(content: bytes) -> Component:
    """Return the one VCALENDAR of `content`."""
    stack = [Component("")]
    for line in unfolded(content):
        item = _property(line)
        if item.name == "BEGIN":
            stack.append(Component(item.value))
        elif item.name == "END":
            ended = stack.pop()
            assert ended.name == item.value
            stack[-1].components.append(ended)
        else:
            stack[-1].properties.append(item)
    (root,) = stack
    (calendar,) = root.components
    assert calendar.name == "VCALENDAR"
    assert not root.properties
    assert calendar.components, "a calendar of nothing is not legal"
    return calendar


def unfolded(content: bytes) -> list[str]:
    """Return the content lines (3.1): CRLF, at most 75 octets, no character cut in two."""
    assert content.endswith(b"\r\n")
    for line in content.split(b"\r\n")[:-1]:
        assert 0 < len(line) <= 75
        assert b"\r" not in line
        assert b"\n" not in line
        line.decode()
    lines = content.replace(b"\r\n ", b"").decode().split("\r\n")[:-1]
    controls = {char for line in lines for char in line if unicodedata.category(char) == "Cc"}
    assert controls <= {"\t"}
    return lines


def _property(line: str) -> Property:
    found = _LINE.fullmatch(line)
    assert found, f"not a content line: {line}"
    parameters = {}
    for item in re.findall(_PARAMETER, found[2]):
        name, value = item[1:].split("=", 1)
        assert name not in parameters
        parameters[name] = value.strip('"')
    return Property(found[1], parameters, found[3])


def _unescaped(character: str) -> str:
    return "\n" if character in "nN" else character
