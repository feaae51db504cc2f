"""Style sheets: every class on a page is defined, and every defined class is used."""

import re
from pathlib import Path

import pytest

from registration.web import assets

TOP = Path(__file__).parent.parent.parent
SHEETS = sorted((assets.STATIC / "css").glob("*.css"))
# Letters bring their own style along: no mail program loads any.
PAGES = [path for path in (TOP / "templates").rglob("*.html") if "mail" not in path.parts]
LETTERS = list((TOP / "templates" / "mail").rglob("*.html"))
OTHERS = [*(TOP / "registration").rglob("*.py"), *assets.STATIC.glob("*.js")]
_JINJA = r"\{\{.*?\}\}|\{%.*?%\}"
_ATTRIBUTE = re.compile(rf'\bclass="((?:[^"{{]|{_JINJA})*)"', re.DOTALL)
# In Python: Markup that has one, a field's render_kw. In JavaScript: className and classList.
_IN_CODE = re.compile(r"""\bclass(?:_|Name|List)?["']?\s*(?:=|:|\.\w+\()\s*\\?["']([\w -]+)""")
# Of sizes that are no token: it says why.
_SIZE = re.compile(r"(?<![\w-])-?[\d.]+rem\b")


def used(path: Path) -> set[str]:
    """Return the classes that a file gives to elements."""
    text = path.read_text()
    if path.suffix != ".html":
        return {name for value in _IN_CODE.findall(text) for name in value.split()}
    values = [re.sub(_JINJA, " ", value, flags=re.DOTALL) for value in _ATTRIBUTE.findall(text)]
    return {name for value in values for name in value.split()}


def defined(css: str) -> set[str]:
    """Return the classes that are named by selectors."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    selectors = re.findall(r"([^{};]+)\{", css)
    return {
        name
        for selector in selectors
        if not selector.strip().startswith("@")
        for name in re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r'"[^"]*"', "", selector))
    }


def all_used(paths: list[Path]) -> set[str]:
    return set().union(*map(used, paths))


def test_every_class_is_defined_and_every_defined_one_used():
    assert all_used([*PAGES, *OTHERS]) == defined(assets.styles().decode())


def test_every_class_of_a_letter_is_defined_in_it_and_used():
    layout = (TOP / "templates" / "mail" / "layouts" / "letter.html").read_text()
    (style,) = re.findall(r"<style>(.*?)</style>", layout, re.DOTALL)
    assert all_used(LETTERS) == defined(style)


@pytest.mark.parametrize(
    ("name", "text", "classes"),
    [
        ("a.html", '<p class="a{% if x %} b{% endif %} {{ "c" }}">', {"a", "b"}),
        ("a.py", "Markup('<p class=\"a b\">')", {"a", "b"}),
        ("b.py", 'render_kw={"class": "a"}', {"a"}),
        ("c.py", 'field(class_="a")', {"a"}),
        ("a.js", 'place.classList.add("a")', {"a"}),
        ("b.js", 'place.className = "a b"', {"a", "b"}),
    ],
)
def test_classes_are_found_wherever_one_is_given(tmp_path, name, text, classes):
    (tmp_path / name).write_text(text)
    assert used(tmp_path / name) == classes


def test_every_style_sheet_is_sent_and_tokens_come_first():
    assert sorted(assets.COMPONENTS) == [path.stem for path in SHEETS]
    assert assets.COMPONENTS[0] == "tokens"


def test_every_token_is_defined_once_and_used():
    sent = assets.styles().decode()
    tokens = (assets.STATIC / "css" / "tokens.css").read_text()
    names = re.findall(r"^  (--[\w-]+):", tokens, re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) == set(re.findall(r"var\((--[\w-]+)\)", sent))


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_sizes_are_tokens_or_say_why_not(path):
    if path.stem == "tokens":
        return
    rows = path.read_text().splitlines()
    bare = [
        row
        for above, row in zip(["", *rows], rows, strict=False)
        if _SIZE.search(row) and "/*" not in row and "/*" not in above
    ]
    assert bare == []


def test_colours_are_tokens():
    for path in SHEETS:
        if path.stem not in {"tokens", "print"}:
            assert not re.search(r"#[0-9a-f]{3,8}\b", path.read_text()), path.stem
