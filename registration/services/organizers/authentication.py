"""Signs organizers in, by password and code, and ends their sessions.

A refusal never says which of the two was wrong. Wrong codes count only after the right password, so
that nobody else can lock an organizer out. `rate_limits` limits how many passwords a client may
try, Argon2id how fast. A browser with which somebody has signed in before has tries of its own,
also where all clients have one address.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction
from ...models import Deed, Identity, LetterKind, Organizer, SignIn, organizer_index
from ...refusals import N_, Refusal
from ...text.addresses import EmailAddress
from .. import audit_log, rate_limits
from ..rate_limits import Bucket, TooManyForms
from . import failed_sign_ins, passwords, totp

SESSION_IDLE_LIFE = timedelta(minutes=60)
SESSION_LIFE = timedelta(hours=12)
# How often a session in use is marked as seen.
_SEEN_INTERVAL = timedelta(minutes=1)
# Passwords that a client may try, and that all may try where clients have one address.
SIGN_IN_TRIES_AN_HOUR = 30
SHARED_SIGN_IN_TRIES_AN_HOUR = 300
# Wrong codes that may be tried after the right password.
WRONG_CODES_AN_HOUR = 5


class NoSuchSession(Refusal):
    """The organizer has no session of that number; somebody else may have."""

    sentence = N_("There is no such sign-in.")


def take_try(tx: Transaction, client: str, device: str) -> None:
    """Take one of a client's tries of this hour, or raise `TooManyForms`.

    `device` identifies a browser with which somebody has signed in before: it has tries of its own,
    which nobody else can use up. `client` is empty where all clients have one address.
    """
    bucket = Bucket(
        ("sign in", client), SIGN_IN_TRIES_AN_HOUR if client else SHARED_SIGN_IN_TRIES_AN_HOUR
    )
    if device:
        bucket = Bucket(("sign in", "device", device), SIGN_IN_TRIES_AN_HOUR)
    rate_limits.take_each(tx, [bucket])


def find_password_hash(tx: Transaction, address: EmailAddress) -> tuple[int, str | None]:
    """Return id and password hash of the account with this address; 0 and None if there is none."""
    index = organizer_index(tx.keys, address)
    organizer = tx.scalar(
        select(Organizer).where(Organizer.address_index == index, Organizer.removed_at.is_(None))
    )
    return (organizer.id, organizer.password_hash) if organizer else (0, None)


def sign_in(tx: Transaction, organizer_id: int, password_hash: str, code: str) -> str | None:
    """Start a session, after the password of `password_hash` was given, and return its token.

    Returns None if the code is wrong or too many were tried. Commit the transaction in any case.
    """
    if not verify(tx, organizer_id, password_hash, code):
        failed_sign_ins.note(tx)
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


def verify(tx: Transaction, organizer_id: int, password_hash: str, code: str) -> bool:
    """Check the code, after the password of `password_hash` was given; return whether it is right.

    The hash is compared again, as the password may have been changed meanwhile. Commit the
    transaction in any case.
    """
    tx.hold_keys()
    organizer = tx.get_one(Organizer, organizer_id, with_for_update=True)
    if organizer.password_hash != password_hash or organizer.removed_at:
        return False
    return _use_code(tx, organizer, code)


def use_app_code(tx: Transaction, organizer: Organizer, code: str) -> bool:
    """Return whether a code is the one that the organizer's app shows now; no recovery code is.

    The organizer's row is locked. Commit the transaction in any case.
    """
    return _use_code(tx, organizer, code, takes_recovery=False)


def _use_code(
    tx: Transaction, organizer: Organizer, code: str, *, takes_recovery: bool = True
) -> bool:
    """Return whether a code is right. A right code is used up; a wrong one counts against
    `WRONG_CODES_AN_HOUR`."""
    bucket = Bucket(("codes", organizer.public_id), WRONG_CODES_AN_HOUR)
    try:
        rate_limits.refuse_if_empty(tx, [bucket])
    except TooManyForms:
        return False
    identity = organizer.identity(tx.keys)
    key = bytes.fromhex(identity.second_factor)
    step = totp.step_of(key, code, after=organizer.code_step, now=tx.now)
    if step is not None:
        organizer.code_step = step
        return True
    left = totp.remove_hash(identity.recovery_hashes, totp.recovery_hash(code))
    if left is not None and takes_recovery:
        organizer.seal(replace(identity, recovery_hashes=left), tx.keys)
        return True
    rate_limits.take_each(tx, [bucket])
    audit_log.note(tx, Deed.CODES_TRIED, subject=organizer.id)
    return False


def find_signed_in(tx: Transaction, token: str) -> tuple[Organizer, SignIn] | None:
    """Return organizer and session of a token; None if the session has ended."""
    row = tx.execute(
        select(Organizer, SignIn)
        .join(SignIn, SignIn.organizer_id == Organizer.id)
        .where(
            SignIn.token_hash == token_hash(token),
            Organizer.removed_at.is_(None),
            ~_is_over(tx.now),
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


def is_seen_note_due(sign_in: SignIn, now: datetime) -> bool:
    """Whether it is time to mark a session as seen."""
    return now - sign_in.seen_at >= _SEEN_INTERVAL


def note_seen(tx: Transaction, sign_in_id: int) -> None:
    """Mark a session as seen now."""
    tx.execute(update(SignIn).where(SignIn.id == sign_in_id).values(seen_at=tx.now))


def sign_out(tx: Transaction, token: str) -> None:
    """End the session of a token."""
    signed_in = find_signed_in(tx, token)
    if signed_in:
        organizer, sign_in_row = signed_in
        tx.delete(sign_in_row)
        audit_log.note(tx, Deed.SIGNED_OUT, by=organizer.id)


def list_sessions(tx: Transaction, organizer_id: int) -> Sequence[SignIn]:
    """Return the sessions of an organizer that have not ended, the last seen first."""
    own = select(SignIn).where(SignIn.organizer_id == organizer_id, ~_is_over(tx.now))
    return tx.scalars(own.order_by(SignIn.seen_at.desc(), SignIn.id.desc())).all()


def end_session(tx: Transaction, organizer_id: int, number: int) -> None:
    """End one session of an organizer. Raises `NoSuchSession`, also for one of somebody else."""
    own = {session.id for session in list_sessions(tx, organizer_id)}
    if number not in own or not _end(tx, SignIn.id == number):
        raise NoSuchSession
    audit_log.note(tx, Deed.SESSION_ENDED, by=organizer_id, count=1)


def end_other_sessions(tx: Transaction, organizer_id: int, kept: int) -> None:
    """End all sessions of an organizer but the one with the id `kept`."""
    ended = _end(tx, SignIn.organizer_id == organizer_id, SignIn.id != kept)
    audit_log.note(tx, Deed.SESSION_ENDED, by=organizer_id, count=ended)


def _end(tx: Transaction, *which: ColumnElement[bool]) -> int:
    """End these sessions; return how many there were."""
    return len(tx.scalars(delete(SignIn).where(*which).returning(SignIn.id)).all())


def sign_out_everywhere(tx: Transaction, organizer_id: int) -> None:
    """End all sessions of an organizer."""
    tx.execute(delete(SignIn).where(SignIn.organizer_id == organizer_id))
    audit_log.note(tx, Deed.SIGNED_OUT_EVERYWHERE, by=organizer_id)


def sign_everybody_out(tx: Transaction, organizer_id: int) -> None:
    """End all sessions of all organizers, on the word of one of them."""
    ended = tx.scalars(delete(SignIn).returning(SignIn.id)).all()
    audit_log.note(tx, Deed.EVERYBODY_SIGNED_OUT, by=organizer_id, count=len(ended))


def change_password(tx: Transaction, organizer_id: int, password_hash: str) -> None:
    """Store a new password hash, end all sessions of the organizer, and owe them a letter."""
    organizer = tx.get_one(Organizer, organizer_id, with_for_update=True)
    organizer.password_hash = password_hash
    tx.execute(delete(SignIn).where(SignIn.organizer_id == organizer_id))
    audit_log.note(tx, Deed.SIGN_IN_CHANGED, by=organizer_id)
    kind = LetterKind.PASSWORD_CHANGED
    outbox.post_to_organizer(tx, organizer_id, kind)


def renew_hash(tx: Transaction, organizer_id: int, kept: str, renewed: str) -> None:
    """Replace a hash by a newer one of the same password, unless that was changed meanwhile."""
    is_same = (Organizer.id == organizer_id) & (Organizer.password_hash == kept)
    tx.execute(update(Organizer).where(is_same).values(password_hash=renewed))


def refuse_weak(password: str, identity: Identity, site: str) -> None:
    """Raise `PasswordRefused` if a password is too weak for this organizer."""
    passwords.check(password, *identity.address.split("@"), site)


def _is_over(now: datetime) -> ColumnElement[bool]:
    # A session that starts in the future was made by a wrong clock.
    return or_(
        SignIn.seen_at <= now - SESSION_IDLE_LIFE,
        SignIn.started_at <= now - SESSION_LIFE,
        SignIn.started_at > now + rate_limits.MAX_CLOCK_SKEW,
    )
