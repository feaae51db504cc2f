"""Random tokens, and signed values."""

import pytest
from itsdangerous import BadSignature, URLSafeSerializer

from registration.crypto.tokens import signer


def test_a_value_is_signed_with_sha_256_and_read_for_its_purpose_alone():
    signed = signer("secret", "new address").dumps(["a", 1])
    assert signer("secret", "new address").loads(signed) == ["a", 1]
    # 32 bytes in Base64; SHA-1 has 20.
    assert len(signed.rpartition(".")[2]) == 43
    for other in (signer("secret", "another"), signer("other", "new address")):
        with pytest.raises(BadSignature):
            other.loads(signed)


def test_a_link_that_was_signed_before_is_still_read():
    earlier = URLSafeSerializer("secret", salt="new address").dumps("a")
    assert signer("secret", "new address").loads(earlier) == "a"
    with pytest.raises(BadSignature):
        signer("secret", "another").loads(earlier)
