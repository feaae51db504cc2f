"""One service for all fuzzing; it forgets each input again."""

from collections.abc import Iterator

import pytest

from .service import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with one discussion and a list of its pages."""
    with running(tmp_path_factory.mktemp("fuzzing") / "instance") as service:
        # Asked for first: to know them, somebody is registered.
        assert service.known
        assert service.known_in_letters
        yield service
