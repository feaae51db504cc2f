"""The local mailbox: the letters that were kept, shown as a mail program would.

It exists only for trying the service on one's own machine: where letters go to a folder, the
server is bound to loopback, and the request came from there without a proxy.
"""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, render_template

from .. import app_context
from ..mail import maildir
from .headers import framed
from .hosts import is_from_this_machine

MOST = 200

blueprint = Blueprint("mailbox", __name__, url_prefix="/letters")


def is_open() -> bool:
    """Whether the mailbox may be shown to the sender of this request."""
    return bool(
        app_context.letters_folder() is not None
        and not app_context.settings().is_public
        and current_app.config.get("BOUND_TO_LOOPBACK")
        and is_from_this_machine()
    )


@blueprint.before_request
def _refuse_others() -> None:
    if not is_open():
        abort(404)


@blueprint.get("/")
def letters() -> str:
    """The letters kept, the newest first."""
    newest = maildir.newest_first(_folder())
    shown = [(key, _message(key)) for key in newest[:MOST]]
    return render_template("mailbox/letters.html", letters=shown, total=len(newest), most=MOST)


@blueprint.get("/<key>")
def letter(key: str) -> str:
    """One letter: its headers, its HTML in a frame, its text, its attachments."""
    message = _message(key)
    text = message.get_body(("plain",))
    return render_template(
        "mailbox/letter.html",
        key=key,
        message=message,
        text=text.get_content() if text else "",
        attachments=[part.get_filename() for part in message.iter_attachments()],
    )


@blueprint.get("/<key>/html")
def html(key: str) -> Response:
    """The letter's HTML, for a sandboxed frame."""
    body = _message(key).get_body(("html",))
    return framed(body.get_content() if body else "")


@blueprint.get("/<key>/source")
def source(key: str) -> Response:
    """The letter as it would go over the wire."""
    return Response(_content(key), content_type="text/plain; charset=utf-8")


@blueprint.get("/<key>/attachments/<int:number>")
def attachment(key: str, number: int) -> Response:
    """One attachment, to be saved or opened."""
    parts = list(_message(key).iter_attachments())
    if number >= len(parts):
        abort(404)
    name = parts[number].get_filename() or "attachment"
    response = Response(parts[number].get_content(), content_type=parts[number].get_content_type())
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _folder() -> Path:
    folder = app_context.letters_folder()
    if folder is None:
        abort(404)
    return folder


def _message(key: str) -> EmailMessage:
    return message_from_bytes(_content(key), policy=default)


def _content(key: str) -> bytes:
    try:
        return maildir.folder_at(_folder()).get_bytes(key)
    except KeyError:
        abort(404)
