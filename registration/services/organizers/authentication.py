"""Signing in: by password and code, for a browser, until it is idle, a day is over or it is ended.

What is wrong is never told. Only who knows the password can use up the codes that may be tried,
so nobody else can lock an organizer out; how many passwords a client may try is limited by
`throttling`, and how fast they can be tried, by Argon2id. A browser that is known has tries of its
own, also where all clients look alike.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update

from ...crypto.tokens import new_token, token_hash
from ...database import Transaction
from ...models import Deed, Identity, Organizer, SignIn, organizer_index
from ...refusals import Refusal
from ...text.addresses import EmailAddress
from .. import audit_log, rate_limits
from ..rate_limits import Bucket, TooManyForms
from . import passwords, totp

IDLE = timedelta(minutes=60)
LIFE = timedelta(hours=12)
# How often it is noted that somebody is still there.
_SEEN = timedelta(minutes=1)
# How many passwords a client may try in an hour, and everybody whose client looks alike.
TRIES, TRIES_OF_ALL = 30, 300
# How many wrong codes in an hour, with the right password.
WRONG_CODES = 5


class InvitationOver(Refusal):
    """The link was used, is too old, or never was one: nobody is told which."""


class CodeWrong(Refusal):
    """The code is not the one that the app shows now."""


def try_from(tx: Transaction, client: str, device: str) -> None:
    """Take one of the tries that a client has, or raise `TooManyForms`.

    A browser with which somebody has signed in before, `device`, has tries of its own: nobody else
    can use them up.
    """
    bucket = Bucket(("sign in", client), TRIES if client else TRIES_OF_ALL)
    if device:
        bucket = Bucket(("sign in", "device", device), TRIES)
    rate_limits.take_each(tx, [bucket])


def kept_password(tx: Transaction, address: EmailAddress) -> tuple[int, str | None]:
    """Return the id and the password's hash of who has an address; 0 and None for nobody."""
    index = organizer_index(tx.keys, address)
    found = tx.scalar(
        select(Organizer).where(Organizer.address_index == index, Organizer.removed_at.is_(None))
    )
    return (found.id, found.password_hash) if found else (0, None)


def begin(tx: Transaction, organizer_id: int, password_hash: str, code: str) -> str | None:
    """Sign in who gave the password of that hash, if the code is right; return the token.

    Returns None if it is not, or too many were tried; either way the transaction is to be kept.
    """
    if not prove(tx, organizer_id, password_hash, code):
        return None
    token = new_token()
    tx.add(
        SignIn(
            token_hash=token_hash(token),
            organizer_id=organizer_id,
            started_at=tx.now,
            seen_at=tx.now,
        )
    )
    tx.execute(delete(SignIn).where(_is_over(tx.now)))
    audit_log.note(tx, Deed.SIGNED_IN, by=organizer_id)
    return token


def prove(tx: Transaction, organizer_id: int, password_hash: str, code: str) -> bool:
    """Whether who has given the password of that hash has the code too.

    The password may have been changed while it was checked. Either way the transaction is to be
    kept.
    """
    tx.hold_keys()
    organizer = tx.get_one(Organizer, organizer_id, with_for_update=True)
    if organizer.password_hash != password_hash or organizer.removed_at:
        return False
    return _takes(tx, organizer, code)


def _takes(tx: Transaction, organizer: Organizer, code: str) -> bool:
    """Whether a code is right; it is used up by that. A wrong one takes one of those that may be
    tried."""
    bucket = Bucket(("codes", organizer.public_id), WRONG_CODES)
    try:
        rate_limits.look(tx, [bucket])
    except TooManyForms:
        return False
    identity = organizer.identity(tx.keys)
    key = bytes.fromhex(identity.second_factor)
    step = totp.step_of(key, code, after=organizer.code_step, now=tx.now)
    if step is not None:
        organizer.code_step = step
        return True
    left = totp.without(identity.recovery_hashes, totp.recovery_hash(code))
    if left is not None:
        organizer.seal(replace(identity, recovery_hashes=left), tx.keys)
        return True
    rate_limits.take_each(tx, [bucket])
    audit_log.note(tx, Deed.CODES_TRIED, subject=organizer.id)
    return False


def who(tx: Transaction, token: str) -> tuple[Organizer, SignIn] | None:
    """Return who is signed in with a token; None if nobody is, any more."""
    found = tx.execute(
        select(Organizer, SignIn)
        .join(SignIn, SignIn.organizer_id == Organizer.id)
        .where(
            SignIn.token_hash == token_hash(token),
            Organizer.removed_at.is_(None),
            ~_is_over(tx.now),
        )
    ).one_or_none()
    return (found[0], found[1]) if found else None


def is_to_be_noted(sign_in: SignIn, now: datetime) -> bool:
    """Whether it is time to note that somebody is still there."""
    return now - sign_in.seen_at >= _SEEN


def note_seen(tx: Transaction, sign_in_id: int) -> None:
    """Note that somebody is still there."""
    tx.execute(update(SignIn).where(SignIn.id == sign_in_id).values(seen_at=tx.now))


def end(tx: Transaction, token: str) -> None:
    """Sign out in one browser."""
    found = who(tx, token)
    if found:
        tx.delete(found[1])
        audit_log.note(tx, Deed.SIGNED_OUT, by=found[0].id)


def end_all(tx: Transaction, organizer_id: int) -> None:
    """Sign out everywhere."""
    tx.execute(delete(SignIn).where(SignIn.organizer_id == organizer_id))
    audit_log.note(tx, Deed.SIGNED_OUT_EVERYWHERE, by=organizer_id)


def invited(tx: Transaction, token: str, *, lock: bool = False) -> tuple[Organizer, Identity]:
    """Return who an invitation is for, or raise `InvitationOver`."""
    named = select(Organizer).where(
        Organizer.invitation_hash == token_hash(token), Organizer.invited_until > tx.now
    )
    found = tx.scalar(named.with_for_update() if lock else named)
    if found is None:
        raise InvitationOver("This link does not apply any more.")
    return found, found.identity(tx.keys)


def accept(tx: Transaction, token: str, password_hash: str, code: str) -> list[str]:
    """Set password and second factor by an invitation, and return the recovery codes, which are
    never shown again. Raises `InvitationOver`, `CodeWrong`."""
    tx.hold_keys()
    organizer, identity = invited(tx, token, lock=True)
    key = totp.key_of(tx.keys, token)
    step = totp.step_of(key, code, after=0, now=tx.now)
    if step is None:
        raise CodeWrong("The code is not the one that the app shows now.")
    codes = totp.new_recovery_codes()
    hashes = [totp.recovery_hash(item) for item in codes]
    organizer.seal(replace(identity, second_factor=key.hex(), recovery_hashes=hashes), tx.keys)
    organizer.password_hash, organizer.code_step = password_hash, step
    organizer.invitation_hash = organizer.invited_until = None
    audit_log.note(tx, Deed.ACCEPTED, by=organizer.id)
    return codes


def change_password(tx: Transaction, organizer_id: int, password_hash: str) -> None:
    """Keep another password, and end every session of who has proven to be it."""
    organizer = tx.get_one(Organizer, organizer_id, with_for_update=True)
    organizer.password_hash = password_hash
    tx.execute(delete(SignIn).where(SignIn.organizer_id == organizer_id))
    audit_log.note(tx, Deed.SIGN_IN_CHANGED, by=organizer_id)


def renew_hash(tx: Transaction, organizer_id: int, kept: str, renewed: str) -> None:
    """Replace a password's hash by one of the same password, unless it was changed meanwhile."""
    is_same = (Organizer.id == organizer_id) & (Organizer.password_hash == kept)
    tx.execute(update(Organizer).where(is_same).values(password_hash=renewed))


def refuse_weak(password: str, identity: Identity, site: str) -> None:
    """Raise `PasswordRefused` unless a password is good for this organizer."""
    passwords.check(password, *identity.address.split("@"), site)


def _is_over(now: datetime) -> ColumnElement[bool]:
    # Nobody signs in to come, unless a clock was wrong.
    return or_(
        SignIn.seen_at <= now - IDLE,
        SignIn.started_at <= now - LIFE,
        SignIn.started_at > now + rate_limits.SKEW,
    )
