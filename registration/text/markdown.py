"""Markdown (CommonMark, without raw HTML) as safe HTML for pages and as plain text for letters."""

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from .normalize import cleaned

_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": False})
_TAGS = {
    "p", "br", "em", "strong", "a", "ul", "ol", "li", "blockquote", "code", "pre", "hr",
    "h3", "h4", "h5", "h6",
}  # fmt: skip
_ENDS = {
    "paragraph_close", "heading_close", "bullet_list_close", "ordered_list_close", "fence",
    "code_block",
}  # fmt: skip


def html(text: str) -> str:
    """Return `text` as HTML without images, scripts, styles or requests to other sites."""
    tokens = _PARSER.parse(text)
    for token in tokens:
        # The page has its own first and second headings.
        token.tag = "h3" if token.tag in {"h1", "h2"} else token.tag
        for child in token.children or []:
            # An image is replaced by its description: pages fetch nothing from other sites.
            child.type = "text" if child.type == "image" else child.type
    return nh3.clean(
        cleaned(_PARSER.renderer.render(tokens, _PARSER.options, {})),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def plain(text: str) -> str:
    """Return `text` as plain text: paragraphs apart, list items dashed, links written out."""
    lines: list[str] = []
    prefix = ""
    for token in _PARSER.parse(text):
        if token.type == "list_item_open":
            prefix = "- " if token.markup in "-*+" else f"{token.info}. "
        elif token.type in {"inline", "fence", "code_block"}:
            code = token.content.rstrip()
            lines.append(prefix + (_inline(token.children) if token.children else code))
            prefix = ""
        elif token.type == "list_item_close":
            prefix = ""  # the item was empty
        if token.type in _ENDS and not token.hidden:
            lines.append("")
    return cleaned("\n".join(lines)).replace("\n\n\n", "\n\n").strip()


def _inline(children: list[Token]) -> str:
    parts: list[str] = []
    target, start = "", 0
    for token in children:
        if token.type == "link_open":
            target, start = str(token.attrGet("href") or ""), len(parts)
        elif token.type == "link_close":
            shown = "".join(parts[start:])
            parts.append("" if target in {"", shown, f"mailto:{shown}"} else f" ({target})")
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append(" " if token.type == "softbreak" else "\n")
        elif token.content:
            parts.append(token.content)
    return "".join(parts)
