"""An organizer for tests: a browser, a password, and an authenticator app."""

import re
from base64 import b32decode
from functools import cache
from typing import Any

from flask import Flask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from registration import app_context
from registration.database import writing
from registration.models import Letter, LetterKind, Role
from registration.services.organizers import (
    accounts,
    authentication,
    invitations,
    passwords,
    totp,
)
from registration.services.organizers.accounts import Wanted
from registration.text import addresses

from .visitor import Visitor, form_of

PASSWORD = "gravel lantern otter"
ASEL = "asel@example.org"
SIGN_IN = "/organizer/sign-in"


class Desk(Visitor):
    """The browser of an organizer with a password and a second factor."""

    def __init__(self, app: Flask, clock: Any, address: str = ASEL) -> None:
        super().__init__(app, clock)
        self.address, self.key, self.recovery = address, b"", []

    def code(self) -> str:
        """Return the next code of the app; the clock advances, so that each call has a new one."""
        self.clock.advance(seconds=totp.STEP_SECONDS)
        return totp.code_at(self.key, self.clock.now)

    def accept(self, token: str, **fields: str) -> TestResponse:
        """Follow the invitation, and set password and second factor."""
        path = f"/organizer/invitation/{token}"
        page = self.get(path)
        self.key = key_on(page.text)
        _action, hidden = form_of(page.text)
        self.clock.advance(seconds=10)
        code = totp.code_at(self.key, self.clock.now)
        typed = {"password": PASSWORD, "again": PASSWORD, "code": code} | fields
        page = self.client.post(path, data=hidden | typed)
        self.recovery = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", page.text)
        return page

    def sign_in(self, path: str = SIGN_IN, **fields: str) -> TestResponse:
        """Sign in, with the right password and the next code unless others are given."""
        typed = {"email": self.address, "password": PASSWORD, "code": ""} | fields
        typed["code"] = typed["code"] or self.code()
        return self.fill(path, **typed)


def key_on(page: str) -> bytes:
    """Return the key for the authenticator app that the page of an invitation shows."""
    (shown,) = re.findall(r"<code>([A-Z2-7 ]{39})</code>", page)
    return b32decode(shown.replace(" ", ""))


def invite(
    address: str = ASEL, role: Role = Role.ADMINISTRATOR, *slugs: str, partner: str | None = None
) -> str:
    """Let somebody sign in, and return the invitation's token."""
    with writing() as tx:
        return accounts.add(tx, addresses.parse(address), Wanted(role, slugs, partner))


def signed_in(
    app: Flask,
    clock: Any,
    address: str = ASEL,
    role: Role = Role.ADMINISTRATOR,
    *slugs: str,
    partner: str | None = None,
) -> Desk:
    """Return a signed-in organizer. The services sign them in: pages take longer."""
    desk = Desk(app, clock, address)
    token = invite(address, role, *slugs, partner=partner)
    with writing() as tx:
        organizer, _identity = invitations.find(tx, token)
        page, password = invitations.open_page(tx, token), _hashed(app_context.password_cost())
        desk.key = bytes.fromhex(page.key)
        code = totp.code_at(desk.key, clock.now)
        desk.recovery = invitations.accept(tx, token, page, password, code)
        # Tests count the letters that they cause themselves.
        tx.execute(delete(Letter).where(Letter.kind == LetterKind.SIGN_IN_SET_UP))
    code = desk.code()
    with writing() as tx:
        session = authentication.sign_in(tx, organizer.id, password, code)
    desk.client.set_cookie("organizer", session or "")
    return desk


@cache
def _hashed(cost: passwords.Cost) -> str:
    """Return the hash of PASSWORD; hashing is slow on purpose."""
    return passwords.hash_password(PASSWORD, cost)
