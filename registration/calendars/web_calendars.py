"""Links that open a filled-in entry at Google's and Microsoft's calendars on the web."""

from urllib.parse import urlencode

from ..links import Links
from ..models import Discussion, When


def google(discussion: Discussion, links: Links) -> str:
    """Return the address of a new Google Calendar entry."""
    starts, ends = _span(discussion.when, "%Y%m%d", "%Y%m%dT%H%M%SZ")
    query = {
        "action": "TEMPLATE",
        "text": discussion.content.title,
        "dates": f"{starts}/{ends}",
        "details": links.discussion(discussion.slug),
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"


def outlook(discussion: Discussion, links: Links) -> str:
    """Return the address of a new Outlook.com entry."""
    starts, ends = _span(discussion.when, "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")
    query = {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": discussion.content.title,
        "body": links.discussion(discussion.slug),
        "startdt": starts,
        "enddt": ends,
        "allday": "true" if discussion.when.all_day else "false",
    }
    return f"https://outlook.live.com/calendar/0/deeplink/compose?{urlencode(query)}"


def _span(when: When, day: str, instant: str) -> tuple[str, str]:
    """Return start and exclusive end: local dates for a whole day, instants in UTC otherwise."""
    if when.all_day:
        return when.starts_local.strftime(day), when.ends_local.strftime(day)
    return when.starts_at.strftime(instant), when.ends_at.strftime(instant)
