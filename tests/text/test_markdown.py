"""Markdown: as HTML it can only format, and as plain text it keeps every word and link."""

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.text.markdown import html, plain

HARMLESS = {
    "html", "head", "body", "p", "br", "em", "strong", "a", "ul", "ol", "li", "blockquote",
    "code", "pre", "hr", "h3", "h4", "h5", "h6",
}  # fmt: skip
PIECES = [
    "<script>", "</script>", "<img src=x onerror=y>", "![a](", "[b](", "javascript:", "data:", ")",
    "](", "<", ">", "&#106;", "&lt;", "`", "```\n", "\n", "\n\n", "- ", "1. ", "> ", "# ", "*", "_",
    "https://example.org", "\\", '"', "'", "<!--", "-->", "<style>", "<a href=", "word",
]  # fmt: skip
MARKDOWN = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map("".join)


def elements(text: str) -> list:
    """Return the elements of the HTML of a Markdown text."""
    return list(html5lib.parse(html(text), namespaceHTMLElements=False).iter())


def seen(text: str) -> str:
    """Return what a reader sees of the HTML of a Markdown text."""
    tree = html5lib.parse(html(text), namespaceHTMLElements=False)
    return " ".join("".join(tree.itertext()).split())


@given(MARKDOWN)
def test_html_can_only_format(text):
    for element in elements(text):
        assert element.tag in HARMLESS
        assert set(element.keys()) <= {"href", "rel", "start", "title"}
        target = element.get("href", "")
        scheme = target.partition(":")[0].lower() if ":" in target.partition("/")[0] else ""
        assert scheme in {"", "http", "https", "mailto"}


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b onclick=x>bold</b>",
        "<iframe src=https://example.org></iframe>", "<style>p { color: red }</style>",
        "<svg/onload=alert(1)>", "<!-- hidden -->", "a <i>b</i> c",
    ],
)  # fmt: skip
def test_raw_html_is_shown_as_it_was_typed(text):
    assert seen(text) == text
    assert [element.tag for element in elements(text)] == ["html", "head", "body", "p"]


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "&#106;avascript:alert(1)", "vbscript:x",
     "data:text/html,x", "data:image/png;base64,eA", "file:///etc/passwd", "ftp://example.org"],
)  # fmt: skip
def test_no_link_leads_elsewhere_than_to_web_and_mail(target):
    assert {element.get("href") for element in elements(f"[words]({target})")} == {None}
    assert "words" in seen(f"[words]({target})")


def test_of_an_image_only_its_description_stays():
    assert html("![A map <b>](https://tracker.example.org/x.png)") == "<p>A map &lt;b&gt;</p>\n"
    assert plain("![A map](https://tracker.example.org/x.png)") == "A map"


def test_a_link_tells_the_linked_site_nothing():
    assert html("[x](https://example.org/a?b=1&c=2)") == (
        '<p><a href="https://example.org/a?b=1&amp;c=2" rel="noopener noreferrer">x</a></p>\n'
    )


def test_a_heading_stands_below_those_of_the_page():
    assert html("# One\n\n## Two\n\n#### Four") == "<h3>One</h3>\n<h3>Two</h3>\n<h4>Four</h4>\n"


def test_formatting_is_kept():
    assert html("*a* **b** `c`\n\n> d\n\n3. e\n4. f\n\n---") == (
        "<p><em>a</em> <strong>b</strong> <code>c</code></p>\n"
        "<blockquote>\n<p>d</p>\n</blockquote>\n"
        '<ol start="3">\n<li>e</li>\n<li>f</li>\n</ol>\n<hr>\n'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One\ntwo\n\nThree", "One two\n\nThree"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("*a* **b** ***c*** `x < y` &amp; \\*", "a b c x < y & *"),
        ("# Title\n\nText", "Title\n\nText"),
        ("Title\n=====\n\nText", "Title\n\nText"),
        ("- a\n- b\n\nText", "- a\n- b\n\nText"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("1) a\n2) b", "1. a\n2. b"),
        ("1. ```\n   code\n   ```\n\nText", "1. code\n\nText"),
        ("-\n\nText", "Text"),
        ("> quoted\n\nText", "quoted\n\nText"),
        ("    code\n      more", "code\n  more"),
        ("[site](https://example.org/x)", "site (https://example.org/x)"),
        ("[*the* site](https://example.org)", "the site (https://example.org)"),
        ("[site][1]\n\n[1]: https://example.org", "site (https://example.org)"),
        ("<https://example.org>", "https://example.org"),
        ("<hosts@example.org>", "hosts@example.org"),
        ("[https://example.org](https://example.org)", "https://example.org"),
        ("[write](mailto:hosts@example.org)", "write (mailto:hosts@example.org)"),
        ("[nowhere]()", "nowhere"),
        ("[![map](https://example.org/x.png)](https://example.org)", "map (https://example.org)"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("", ""),
    ],
)
def test_plain_text_reads_as_it_is_meant(text, words):
    assert plain(text) == words


LETTERS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@given(st.lists(st.lists(LETTERS, min_size=1), min_size=1), st.sampled_from(["", "- ", "> "]))
def test_plain_text_keeps_every_word(blocks, mark):
    text = "\n\n".join(mark + " ".join(words) for words in blocks)
    kept = plain(text).replace("- ", "").split()
    assert kept == [word for words in blocks for word in words]


@given(LETTERS, st.from_regex(r"https://[a-z]{1,9}\.org/[a-z0-9/?=-]{0,20}", fullmatch=True))
def test_plain_text_keeps_every_link_target(words, target):
    assert plain(f"See [{words}]({target}), please.") == f"See {words} ({target}), please."


@given(MARKDOWN)
def test_any_text_can_be_written_both_ways(text):
    assert plain(text) == plain(text).strip()
    assert isinstance(html(text), str)


def test_characters_that_markdown_names_are_removed_where_they_may_not_stand():
    named = "a&#x202e;b&#x2028;c&#13;d&#12;e"
    assert plain(named) == "ab\nc\nd\ne"
    assert html(named) == "<p>ab\nc\nd\ne</p>\n"
