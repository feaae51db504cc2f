"""The second factor: what the QR code tells an app."""

from base64 import b32encode
from urllib.parse import unquote, urlsplit

from registration.services.organizers import totp

KEY = bytes(range(20))


def test_the_qr_code_states_key_issuer_and_address_without_a_plus():
    uri = totp.uri(KEY, "asel+desk@example.org", "Water & Workshops")
    parts = urlsplit(uri)
    values = dict(pair.split("=") for pair in parts.query.split("&"))
    assert "+" not in uri
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Water & Workshops:asel+desk@example.org"
    assert unquote(values["issuer"]) == "Water & Workshops"
    assert values["secret"] == b32encode(KEY).decode()
    assert (values["algorithm"], values["digits"], values["period"]) == ("SHA1", "6", "30")
