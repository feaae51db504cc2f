"""A change of the password: asks for the old one, and ends every sign-in."""

from flask import Blueprint, render_template
from werkzeug.wrappers import Response as BaseResponse

from ... import app_context
from ...database import reading, writing
from ...services.organizers import authentication, passwords
from ...services.organizers.passwords import PasswordRefused
from ...text.languages import phrase
from .. import csrf
from ..forms.organizer_forms import PasswordForm
from ..rate_limits import NOT_NOW, Later, try_later
from . import reauthentication
from .access import organizer, signed_out

blueprint = Blueprint("password", __name__)


@blueprint.get("/password")
def password() -> str:
    """Ask for the old password, a code and the new one."""
    return _page(PasswordForm())


@blueprint.post("/password")
@csrf.checks_token
def change_password() -> BaseResponse | tuple[str, int, dict[str, str]]:
    """Change it, and ask to sign in anew everywhere."""
    typed = PasswordForm()
    if not typed.validate() or not _is_good(typed):
        return _page(typed), 422, {}
    try:
        is_changed = _change(typed)
    except NOT_NOW as refusal:
        return try_later(refusal, lambda wait: _page(typed, wait))
    if not is_changed:
        return _page(typed, is_wrong=True), 422, {}
    return signed_out()


def _change(typed: PasswordForm) -> bool:
    """Change the password, if the old one and the code are right. Raises one of `NOT_NOW`."""
    if not reauthentication.is_proven(typed):
        return False
    hashed = passwords.hash_password(typed.new.data, app_context.password_cost())
    with writing() as tx:
        authentication.change_password(tx, organizer().id, hashed)
    return True


def _is_good(typed: PasswordForm) -> bool:
    with reading() as tx:
        identity = organizer().identity(tx.keys)
    try:
        authentication.refuse_weak(typed.new.data, identity, app_context.settings().site_name)
    except PasswordRefused as refusal:
        typed.new.errors = [phrase(refusal)]
        return False
    return True


def _page(typed: PasswordForm, wait: Later | None = None, *, is_wrong: bool = False) -> str:
    return render_template(
        "organizer/password.html",
        form=typed,
        wait=wait,
        is_wrong=is_wrong,
        least=passwords.MIN_CHARACTERS,
    )
