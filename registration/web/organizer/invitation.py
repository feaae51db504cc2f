"""The invitation before the first sign-in: sets password and second factor.

Its GET counts that the link was opened: the one GET that changes anything (docs/decisions).
"""

import io

import segno
from flask import Blueprint, Response, abort, make_response, render_template, request
from markupsafe import Markup

from ... import app_context
from ...database import reading, writing
from ...models import Identity
from ...services.organizers import authentication, invitations, passwords, totp
from ...services.organizers.invitations import CodeWrong, Page, PageOver
from ...services.organizers.passwords import PasswordRefused
from ...text.languages import gettext as _
from ...text.languages import phrase
from .. import csrf
from ..forms.organizer_forms import InvitationForm
from ..rate_limits import NOT_NOW, Later, try_later
from ..route_properties import open_to_all
from . import cookies

blueprint = Blueprint("invitation", __name__)


@blueprint.get("/invitation/<token>")
@open_to_all
def invitation(token: str) -> str:
    """Ask an invited organizer for a password, and offer a new second factor."""
    if _is_prefetch():
        # The browser then opens the page anew when somebody wants to see it.
        abort(503)
    if request.method == "HEAD":
        with reading() as tx:
            invitations.find(tx, token)
        return ""
    with writing() as tx:
        page = invitations.open_page(tx, token)
    return _page(token, InvitationForm(), page)


@blueprint.post("/invitation/<token>")
@open_to_all
@csrf.checks_token
def accept_invitation(token: str) -> Response | tuple[str, int, dict[str, str]]:
    """Set password and second factor, and show the recovery codes, once."""
    typed = InvitationForm()
    try:
        identity, page = _unsealed(token, typed)
    except PageOver as refusal:
        return _new_page(token, typed, refusal), 422, {}
    if not (typed.validate() and _is_good(identity, typed)):
        return _page(token, typed, page), 422, {}
    try:
        return _codes_page(_accept(token, typed, page))
    except CodeWrong:
        typed.code.errors = [_("This is not the code that the app shows now. Try the next one.")]
        return _page(token, typed, page), 422, {}
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _page(token, typed, page, wait=wait))


def _is_prefetch() -> bool:
    """Whether a browser asks for the page before anybody has chosen to see it."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return "prefetch" in purpose.lower()


def _unsealed(token: str, typed: InvitationForm) -> tuple[Identity, Page]:
    with reading() as tx:
        _organizer, identity = invitations.find(tx, token)
        return identity, invitations.unseal(tx, token, typed.page.data or "")


def _accept(token: str, typed: InvitationForm, page: Page) -> list[str]:
    """Accept the invitation, and return the recovery codes."""
    kept = passwords.hash_password(typed.password.data, app_context.password_cost())
    with writing() as tx:
        return invitations.accept(tx, token, page, kept, typed.code.data)


def _is_good(identity: Identity, typed: InvitationForm) -> bool:
    try:
        authentication.refuse_weak(typed.password.data, identity, app_context.settings().site_name)
    except PasswordRefused as refusal:
        typed.password.errors = [phrase(refusal)]
        return False
    return True


def _codes_page(codes: list[str]) -> Response:
    response = make_response(render_template("organizer/recovery_codes.html", codes=codes))
    # Where all clients look alike, the failed attempts of others must not lock this browser out.
    cookies.give_device(response)
    return response


def _new_page(token: str, typed: InvitationForm, refusal: PageOver) -> str:
    """Return a page with a new key. It counts as an opening, as any page with a new key does."""
    with writing() as tx:
        page = invitations.open_page(tx, token)
    typed.code.data = ""
    return _page(token, typed, page, refusal=refusal)


def _page(token: str, typed: InvitationForm, page: Page, **note: Later | PageOver) -> str:
    """Return the page; `note` is a `wait` or a `refusal` to state above the form."""
    with reading() as tx:
        _organizer, identity = invitations.find(tx, token)
        typed.page.data = invitations.seal(tx, token, page)
    key, site = bytes.fromhex(page.key), app_context.settings().site_name
    return render_template(
        "organizer/invitation.html",
        form=typed,
        page=page,
        note=note,
        address=identity.address,
        key=totp.as_text(key),
        picture=_picture(totp.uri(key, identity.address, site)),
        least=passwords.MIN_CHARACTERS,
    )


def _picture(content: str) -> Markup:
    """Return a QR code as SVG, which needs no style of its own."""
    drawn = io.BytesIO()
    segno.make_qr(content, error="m").save(
        drawn, kind="svg", scale=5, xmldecl=False, svgns=True, light="#ffffff", omitsize=False
    )
    # The library draws squares: the content is not in the SVG as text.
    return Markup(drawn.getvalue().decode())  # noqa: S704  # nosec B704
