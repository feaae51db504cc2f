"""What the fuzzing stands on: one service for all of it, which forgets each input again."""

from collections.abc import Iterator

import pytest

from .service import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with one discussion, whose pages are known."""
    with running(tmp_path_factory.mktemp("fuzzing") / "instance") as service:
        # Asked for first: to know them, somebody is registered.
        assert service.known
        assert service.known_in_letters
        yield service
