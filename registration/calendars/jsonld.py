"""A discussion as a schema.org Event in JSON-LD, with its contributors."""

from typing import Any

from ..links import Links
from ..models import Contributor, Discussion, Partner
from ..text import markdown


def event(discussion: Discussion, links: Links) -> dict[str, Any]:
    """Return the discussion as a JSON-LD object, without empty properties."""
    content, when = discussion.content, discussion.when
    page = links.discussion(discussion.slug)
    status = "EventCancelled" if discussion.is_cancelled else "EventScheduled"
    if when.all_day:
        starts, ends = when.starts_local.date().isoformat(), when.starts_local.date().isoformat()
    else:
        starts, ends = when.starts_there.isoformat(), when.ends_there.isoformat()
    return _stated(
        {
            "@context": "https://schema.org",
            "@type": "Event",
            "@id": page,
            "url": page,
            "identifier": discussion.uid,
            "name": content.title,
            "alternateName": content.subtitle,
            "description": content.summary or markdown.plain(content.description),
            "inLanguage": content.language,
            "startDate": starts,
            "endDate": ends,
            "eventStatus": f"https://schema.org/{status}",
            "eventAttendanceMode": "https://schema.org/OnlineEventAttendanceMode",
            "location": {"@type": "VirtualLocation", "url": page},
            "performer": [_person(person) for person in content.speakers],
            "contributor": [_person(person) for person in content.moderators],
            "sponsor": [_organization(partner) for partner in content.partners],
            "recordedIn": _recording(content.recording_url),
        }
    )


def _person(person: Contributor) -> dict[str, Any]:
    organization = person.organization and {"@type": "Organization", "name": person.organization}
    return _stated(
        {
            "@type": "Person",
            "name": person.name,
            "jobTitle": person.position,
            "affiliation": organization,
            "url": person.url,
            "description": markdown.plain(person.biography),
        }
    )


def _organization(partner: Partner) -> dict[str, Any]:
    address = partner.place and {"@type": "PostalAddress", "addressLocality": partner.place}
    return _stated(
        {
            "@type": "Organization",
            "name": partner.name,
            "url": partner.url,
            "address": address,
        }
    )


def _recording(url: str) -> dict[str, str] | None:
    return {"@type": "VideoObject", "url": url} if url else None


def _stated(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
