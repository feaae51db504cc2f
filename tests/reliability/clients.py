"""Clients who register without end over HTTP, and confirm; they write down what they do.

`asked` is written before a request, `acked` after its answer: a registration that was asked for
may be stored, one that was acknowledged must be.
"""

import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP as POLICY
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from aiosmtpd.smtp import SMTP, Envelope, Session

from ..mail_server import MailServer
from ..server_process import Server
from ..visitor import form_of
from .installations import SLUG

FORM = f"/discussions/{SLUG}/register"
# The form refuses an entry that comes faster than a person types (web/forms, FASTEST).
TYPING = 2.1
TYPED = {"name": "Aigerim S.", "affiliation": "Institute of Geography"}
# Seconds that a client waits after it was refused, or cut off.
PAUSE = 0.05
# Letters that an address gets in a day (register.LETTERS_A_DAY).
MOST_TRIES = 3


class Mailbox(MailServer):
    """A mail server that keeps each recipient's Message-IDs, and the letters to be answered.

    One address of ten answers: it is enough to kill between the two letters, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arrived: Counter[tuple[str, str]] = Counter()
        self.unread: deque[bytes] = deque()
        # Called with how many have arrived, before a letter is accepted.
        self.before: Callable[[int], None] = lambda _count: None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content, address = envelope.content, envelope.rcpt_tos[0]
        assert isinstance(content, bytes)
        message_id = re.search(rb"^Message-ID: (<\S+>)\r$", content, re.MULTILINE)[1].decode()
        self.before(self.arrived.total())
        self.arrived[address, message_id] += 1
        if address.partition("@")[0].endswith("0"):
            self.unread.append(content)
        return "250 OK"


@dataclass(slots=True)
class Ledger:
    """Addresses that clients asked for (with how often), and those acknowledged.

    Once there `is_enough`, they register nobody more, and only answer letters.
    """

    asked: Counter[str] = field(default_factory=Counter)
    acked: set[str] = field(default_factory=set)
    confirming: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    is_enough: bool = False


def seen_on(page: str) -> str:
    """Return the digest of what an own page shows; none if it has no button that carries one."""
    found = re.search(r'name="seen" type="hidden" value="([0-9a-f]{64})"', page)
    return found[1] if found else ""


class Form:
    """The form as a browser has it open: its cookie and hidden fields outlive every restart."""

    def __init__(self, server: Server) -> None:
        page = server.get(FORM)
        cookie = page.getheader("Set-Cookie").split(";")[0]
        self.headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self.hidden = form_of(page.text)[1]

    def body(self, **fields: str) -> bytes:
        """Return the body of a POST with these fields."""
        return urlencode(self.hidden | fields).encode()

    def send(self, server: Server, ledger: Ledger, address: str) -> tuple[int, bool]:
        """Register somebody; return the answer's status and whether all typed values stand in it.

        The ledger gets both the request and its acknowledgement.
        """
        ledger.asked[address] += 1
        body = self.body(name=TYPED["name"], email=address, affiliation=TYPED["affiliation"])
        answer = server.ask("POST", FORM, body, **self.headers)
        ledger.answers[answer.status] += 1
        if answer.status == 303:
            ledger.acked.add(address)
        typed = (address, *TYPED.values())
        return answer.status, all(f'value="{value}"' in answer.text for value in typed)


class Client:
    """One kept connection that registers new addresses and answers letters.

    After a request was cut off or refused, half of the clients try again and half give up.
    """

    def __init__(self, name: str, server: Server, mail: Mailbox, form: Form, ledger: Ledger):
        self.name, self.mail, self.form, self.ledger = name, mail, form, ledger
        self.connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.chance = random.Random(name)
        self.count = 0

    def go_on(self, stop: threading.Event) -> None:
        """Register and confirm until `stop` is set."""
        with closing(self.connection):
            while not stop.is_set():
                try:
                    if self.ledger.is_enough:
                        time.sleep(PAUSE)
                    else:
                        self.register()
                    self.confirm()
                except (OSError, HTTPException):
                    # Killed: the request may or may not have been carried out.
                    self.connection.close()
                    time.sleep(PAUSE)

    def register(self) -> None:
        address = f"{self.name}.{self.count}@example.org"
        tries = self.ledger.asked[address]
        gives_up = tries == MOST_TRIES or (tries and self.chance.random() < 0.5)
        if gives_up or address in self.ledger.acked:
            self.count += 1
            address = f"{self.name}.{self.count}@example.org"
        body = self.form.body(name="Aigerim", email=address, affiliation="")
        self._reach()
        self.ledger.asked[address] += 1
        if self.post(FORM, body) == 303:
            self.ledger.acked.add(address)

    def confirm(self) -> None:
        """Answer one letter, if one is unread: the second one of an address needs no answer."""
        if not self.mail.unread:
            return
        message = message_from_bytes(self.mail.unread.popleft(), policy=POLICY)
        address = message["To"].addresses[0].addr_spec
        if address in self.ledger.confirming:
            return
        text = message.get_body(("plain",)).get_content()
        path = re.search(r"/registrations/[\w-]{43}\b", text)[0]
        self._reach()
        self.ledger.confirming.add(address)
        if self.post(f"{path}/confirm", self.form.body(seen=self.seen(path))) == 303:
            self.ledger.confirmed.add(address)

    def _reach(self) -> None:
        # Nothing has been asked of a server that does not run.
        if self.connection.sock is None:
            self.connection.connect()

    def seen(self, path: str) -> str:
        """Open an own page, and return the digest that its buttons carry."""
        self.connection.request("GET", path)
        with self.connection.getresponse() as answer:
            return seen_on(answer.read().decode())

    def post(self, path: str, body: bytes) -> int:
        """Send one form and return the status of the answer."""
        self.connection.request("POST", path, body, self.form.headers)
        answer = self.connection.getresponse()
        answer.read()
        self.ledger.answers[answer.status] += 1
        if answer.status == 503:
            time.sleep(PAUSE)
        return answer.status


def opened(server: Server) -> Form:
    """Open the form, and wait for as long as typing takes."""
    form = Form(server)
    time.sleep(TYPING)
    return form


@contextmanager
def at_work(server: Server, mail: Mailbox, ledger: Ledger, number: int) -> Iterator[None]:
    """Let `number` clients work while the block runs."""
    form = opened(server)
    stop = threading.Event()
    clients = [Client(f"client{n}", server, mail, form, ledger) for n in range(number)]
    threads = [threading.Thread(target=client.go_on, args=[stop]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
