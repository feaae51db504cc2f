"""What every template can use: words, dates and Markdown. For pages and letters alike."""

from flask.templating import Environment
from jinja2 import StrictUndefined
from markupsafe import Markup

from . import languages, markdown
from .calendars.words import time_in_words
from .models import DiscussionStatus, RegistrationStatus, Tense


def complete(env: Environment) -> Environment:
    """Teach the templates of `env` to speak, and to refuse what they were not given."""
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    env.add_extension("jinja2.ext.i18n")
    env.install_gettext_callables(  # type: ignore[attr-defined]
        languages.gettext, languages.ngettext, newstyle=True
    )
    env.filters.update(
        markdown=lambda text: Markup(markdown.html(text)),
        plain=markdown.plain,
        # Jinja's own makes all other letters small: OSCE would be Osce.
        capitalized=lambda text: text[:1].upper() + text[1:],
        spoken_date=languages.spoken_date,
        spoken_day=languages.spoken_day,
        spoken_moment=languages.spoken_moment,
        spoken_list=languages.spoken_list,
        time_in_words=time_in_words,
    )
    env.globals.update(
        language=languages.language,
        Tense=Tense,
        DiscussionStatus=DiscussionStatus,
        RegistrationStatus=RegistrationStatus,
    )
    return env
