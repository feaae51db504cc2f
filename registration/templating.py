"""The filters and globals of all templates: translations, dates and Markdown."""

import re

from flask.templating import Environment
from jinja2 import StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from .calendars.description import format_when
from .models import DiscussionStatus, RegistrationStatus, Tense
from .text import languages, markdown, times

_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


class _Unindented(Extension):
    """Remove the indentation of HTML templates from the pages.

    So a template must not rely on white space at the beginning of a line, even in `<pre>`.
    """

    def preprocess(
        self,
        source: str,
        name: str | None,
        filename: str | None = None,  # noqa: ARG002
    ) -> str:
        return _INDENTATION.sub("", source) if name and name.endswith(".html") else source


def complete(env: Environment) -> Environment:
    """Add filters, globals and translations to `env`; make templates refuse undefined names."""
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    env.add_extension("jinja2.ext.i18n")
    env.add_extension(_Unindented)
    env.install_gettext_callables(  # type: ignore[attr-defined]
        languages.gettext, languages.ngettext, newstyle=True
    )
    env.filters.update(
        markdown=lambda text: Markup(markdown.html(text)),
        phrase=languages.phrase,
        plain=markdown.plain,
        # Jinja's `capitalize` lowers all other letters: OSCE would become Osce.
        capitalized=lambda text: text[:1].upper() + text[1:],
        format_date=times.format_date,
        format_day=times.format_day,
        format_moment=times.format_moment,
        format_list=languages.format_list,
        format_when=format_when,
    )
    env.globals.update(
        language=languages.language,
        Tense=Tense,
        DiscussionStatus=DiscussionStatus,
        RegistrationStatus=RegistrationStatus,
    )
    return env
