"""Signing in to a mail server, and encryption: an unproven server is told nothing."""

import time

import pytest

from registration.mail.delivery import MailStopped, ServerUnavailable, TryLater

from .raw_server import RawServer, certificate, dripping
from .test_delivery import letter, sent, to

AUTH = b"250-mail.example.org\r\n250 AUTH PLAIN LOGIN\r\n"


def test_a_right_password_signs_us_in():
    with RawServer(EHLO=AUTH, AUTH=b"235 welcome\r\n") as server:
        sent(to(server, user="registration", password="right"))
    assert server.heard[1].startswith("AUTH PLAIN ")


def test_a_wrong_password_stops_the_mail():
    refused = b"535-5.7.8 no\r\n535 5.7.8 authentication failed\r\n"
    with RawServer(EHLO=AUTH, AUTH=refused) as server, pytest.raises(MailStopped) as told:
        sent(to(server, user="registration", password="secret"))
    assert str(told.value) == (
        "The mail server refuses to sign us in: 535 5.7.8 no 5.7.8 authentication failed."
    )


def test_a_server_that_signs_nobody_in_gets_no_letter():
    with RawServer() as server, pytest.raises(ServerUnavailable, match="AUTH"):
        sent(to(server, user="registration", password="secret"))
    assert server.letters == []


def test_a_password_that_is_not_ascii_stops_the_mail_and_is_not_told():
    with RawServer(EHLO=AUTH) as server, pytest.raises(MailStopped) as told:
        sent(to(server, user="registration", password="тайна"))
    assert "тайна" not in str(told.value)


def test_smtps_to_a_server_without_tls_sends_nothing():
    with RawServer() as server, pytest.raises(ServerUnavailable):
        sent(to(server, encryption="tls"))
    assert server.letters == []


def test_starttls_that_is_not_offered_sends_nothing():
    with RawServer() as server, pytest.raises(ServerUnavailable, match="STARTTLS"):
        sent(to(server, encryption="starttls", user="registration", password="secret"))
    assert not [line for line in server.heard if line.startswith(("AUTH", "mail"))]


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, encryption):
    context, _path = certificate(tmp_path)
    offer = b"250-mail.example.org\r\n250 STARTTLS\r\n"
    with (
        RawServer(context, at_once=encryption == "tls", EHLO=offer) as server,
        pytest.raises(ServerUnavailable, match="certificate"),
    ):
        sent(to(server, encryption=encryption))
    assert server.letters == []


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_a_letter_goes_over_tls(tmp_path, monkeypatch, encryption):
    context, path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    offer = b"250-mail.example.org\r\n250 STARTTLS\r\n"
    with RawServer(context, at_once=encryption == "tls", EHLO=offer) as server:
        sent(to(server, encryption=encryption))
    assert server.letters == [letter().as_bytes()]


def test_the_deadline_cuts_a_server_that_drips_over_tls(tmp_path, monkeypatch):
    context, path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    begun = time.monotonic()
    with RawServer(context, at_once=True, RCPT=dripping) as server, pytest.raises(TryLater):
        sent(to(server, deadline=0.5, encryption="tls"))
    assert time.monotonic() - begun < 3
