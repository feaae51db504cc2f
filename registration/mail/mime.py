"""MIME messages from templates: headers, text, HTML and an invitation if there is one.

multipart/mixed
  multipart/alternative: text/plain, text/html, text/calendar; method=...
  application/ics (the same bytes)
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage

from flask import render_template

from ..config import Settings
from .headers import POLICY


@dataclass(frozen=True, slots=True)
class Invitation:
    """A calendar object in a letter: its METHOD and its bytes."""

    method: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Recipient, sender, Message-ID and date of a letter.

    `unsubscribe` is the URL at which the recipient stops letters of its kind (RFC 2369, RFC 8058).
    """

    recipient: str
    message_id: str
    settings: Settings
    is_discreet: bool
    at: datetime
    unsubscribe: str | None = None

    @property
    def sender(self) -> Address:
        sender = self.settings.mail_from
        return Address(addr_spec=sender.addr_spec) if self.is_discreet else sender


def write(
    folder: str, envelope: Envelope, invitation: Invitation | None, **context: object
) -> EmailMessage:
    """Return the letter of the templates `mail/<folder>/`: subject.txt, text.txt and html.html."""
    message = EmailMessage(policy=POLICY)
    subject = render_template(f"mail/{folder}/subject.txt", **context)
    message["From"] = envelope.sender
    message["To"] = Address(addr_spec=envelope.recipient)
    message["Subject"] = " ".join(subject.split())
    message["Date"] = envelope.at
    message["Message-ID"] = envelope.message_id
    message["Auto-Submitted"] = "auto-generated"
    if envelope.settings.contact:
        message["Reply-To"] = Address(addr_spec=envelope.settings.contact)
    if envelope.unsubscribe:
        message["List-Unsubscribe"] = f"<{envelope.unsubscribe}>"
        if envelope.unsubscribe.startswith("https:"):  # RFC 8058 3.1
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text = render_template(f"mail/{folder}/text.txt", **context).strip() + "\n"
    text = re.sub(r"\n{3,}", "\n\n", text)
    html = render_template(f"mail/{folder}/html.html", **context)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if invitation:
        _add_invitation(message, invitation)
    return message


def _add_invitation(message: EmailMessage, invitation: Invitation) -> None:
    message.add_alternative(
        invitation.content,
        maintype="text",
        subtype="calendar",
        cte="base64",
        params={"method": invitation.method, "charset": "utf-8"},
    )
    message.add_attachment(
        invitation.content, maintype="application", subtype="ics", filename="invite.ics"
    )
