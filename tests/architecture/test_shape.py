"""The shape of the code: the length of functions and files, and the documents about it."""

import ast
import re
from pathlib import Path

import pytest

from registration.config import READERS
from registration.discussion_file import RESERVED_KEYS
from registration.models import Group, LetterKind, LetterState, RegistrationStatus
from registration.services.attendees.exports import COLUMNS
from registration.web import labels

from ..machine import on_sqlite
from ..visitor import form_of

TOP = Path(__file__).parent.parent.parent
CODE = [
    path
    for path in (TOP / "registration").rglob("*.py")
    # A checkout may lie in a folder of that name.
    if "versions" not in path.relative_to(TOP).parts
]
PARTS = ["Context", "Decision", "Consequences"]
TEMPLATES = sorted((TOP / "templates").rglob("*.*"))


def functions():
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(TOP)}:{node.name}", node.end_lineno - node.lineno + 1


def test_functions_are_short():
    lengths = dict(functions())
    assert {name: length for name, length in lengths.items() if length > 40} == {}
    ordered = sorted(lengths.values())
    assert ordered[int(len(ordered) * 0.95)] <= 22


def test_files_are_short():
    lengths = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for path in CODE}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_file_is_a_drawer():
    assert not [path for path in CODE if path.stem in {"utils", "helpers", "common", "base"}]


def test_every_module_and_public_function_has_its_docstring():
    bare = []
    for path in CODE:
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree) and path.read_text().strip():
            bare.append(str(path.relative_to(TOP)))
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            if not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(TOP)}:{node.name}")
    assert bare == []


def test_the_architecture_names_every_module():
    text = (TOP / "ARCHITECTURE.md").read_text()
    parts = [
        path.stem if path.is_file() else f"{path.name}/"
        for path in (TOP / "registration").iterdir()
        if path.name not in {"__pycache__"}
    ]
    assert [part for part in parts if part not in text] == []


def test_the_readme_documents_every_setting():
    text = (TOP / "README.md").read_text()
    assert [name for name in [*READERS, "INSTANCE"] if f"| `{name}` |" not in text] == []


@on_sqlite
def test_the_readme_documents_every_command_and_option(app):
    text = (TOP / "README.md").read_text()
    ours = {"database", "discussion", "outbox", "registrations"}
    missing = []
    for group, command in app.cli.commands.items():
        if group not in ours:
            continue
        line = next(line for line in text.splitlines() if line.startswith(f"| `flask {group} "))
        for name, found in command.load().commands.items():
            options = [option.opts[0] for option in found.params if option.opts[0][:2] == "--"]
            words = [name, *(option for option in options if option != "--json")]
            missing += [f"{group} {word}" for word in words if word not in line]
    assert missing == []


@pytest.mark.parametrize("kind", LetterKind)
def test_every_letter_has_subject_text_and_html(kind):
    folder = TOP / "templates" / "mail" / kind.value
    assert sorted(path.name for path in folder.iterdir()) == [
        "html.html",
        "subject.txt",
        "text.txt",
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(TOP)))
def test_no_template_has_inline_style_or_script(path):
    text = path.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text)
    scripts = re.findall(r"<script[^>]*>", text)
    assert [tag for tag in scripts if "src=" not in tag and "application/ld+json" not in tag] == []
    assert "<style" not in text or path.name == "letter.html"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(TOP)))
def test_no_row_of_a_template_is_long(path):
    assert [row for row in path.read_text().splitlines() if len(row) > 120] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(TOP)))
def test_every_form_that_posts_carries_csrf(path):
    for form in re.findall(r"<form[^>]*method=.post.*?</form>", path.read_text(), re.DOTALL):
        assert "hidden_tag()" in form or "csrf_token(" in form


@on_sqlite
def test_every_route_that_takes_posts_refuses_one_without_csrf(app, clock):
    from .. import builders
    from ..desk import signed_in

    visitor = signed_in(app, clock)
    builders.publish()
    person = builders.register_and_confirm()
    values = {"slug": "water", "token": person.token, "signed": "x", "key": "x", "number": 0}
    refused = []
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods:
            continue
        path = rule.rule
        for name, value in values.items():
            path = re.sub(rf"<(\w+:)?{name}>", str(value), path)
        answer = visitor.client.post(path, data={"name": "Eve", "email": "eve@example.org"})
        refused.append((rule.rule, answer.status_code in {404, 422}))
    assert len(refused) >= 7
    assert [rule for rule, is_refused in refused if not is_refused] == []
    assert builders.registration_of().confirmed_at is not None
    assert form_of(visitor.get("/registrations/find").text)[1]["csrf_token"]


def test_requirements_are_pinned_with_hashes_and_name_no_index():
    for path in (TOP / "requirements").glob("*.txt"):
        text = path.read_text()
        pins = re.findall(r"^[\w.\[\]-]+==", text, re.MULTILINE)
        assert len(pins) > 10
        assert len(re.findall(r"\\\n    --hash=sha256:[0-9a-f]{64}", text)) >= len(pins)
        assert "://" not in text
        assert "--index" not in text


def test_every_relative_link_of_the_documents_leads_somewhere():
    for page in [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_decision_has_its_parts_its_number_and_a_row_in_the_index():
    folder = TOP / "docs" / "decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| (.+) \|$", index, re.MULTILINE)
    assert [name for _number, _title, name, _status in rows] == [path.name for path in records]
    for path, (number, title, name, status) in zip(records, rows, strict=True):
        text = path.read_text()
        assert text.startswith(f"# {number}. {title}\n\nStatus: {status}\n")
        assert name.startswith(f"{int(number):04d}-")
        assert re.findall(r"^\*\*(\w+)", text, re.MULTILINE) == PARTS
        assert 10 <= len(text.splitlines()) <= 25


def test_no_answer_can_pass_for_a_column_of_the_export():
    assert {*COLUMNS, "shared_with"} == RESERVED_KEYS


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (labels.status_words, RegistrationStatus),
        (labels.letter_words, LetterKind),
        (labels.letter_state_words, LetterState),
        (lambda group: labels.group_words([group]), Group),
    ],
)
def test_every_value_that_pages_show_has_words_of_its_own(words, values):
    assert len({words(value) for value in values}) == len(values)


def test_no_module_imports_itself_through_others():
    graph = {name: _imports(name, path) for name, path in modules().items()}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in leaves}
    assert graph == {}, "these stand in a cycle, or import what does"


def modules() -> dict[str, Path]:
    """Return the file of each module of the service, by its dotted name."""
    files = (TOP / "registration").rglob("*.py")
    named = {".".join(path.relative_to(TOP).with_suffix("").parts): path for path in files}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


def _imports(name: str, path: Path) -> set[str]:
    """Return the modules that a module imports, also within its functions."""
    found, known = set(), modules()
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{target}.{alias.name}"
                found |= {whole if whole in known else target} & known.keys()
    return found - {name}


def test_few_parameters_repeat_a_field_of_the_transaction():
    named = {"session", "now", "ring", "settings"}
    counted = [
        f"{path.relative_to(TOP)}:{arg.lineno}"
        for path in CODE
        for arg in ast.walk(ast.parse(path.read_text()))
        if isinstance(arg, ast.arg) and arg.arg in named
    ]
    assert len(counted) < 150


def test_services_never_commit():
    services = (TOP / "registration" / "services").rglob("*.py")
    assert [path for path in services if re.search(r"\btx\.commit\(", path.read_text())] == []
