"""What a view says of itself by a decorator: the server and the desk ask before it is called."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app

View = TypeVar("View", bound=Callable[..., Any])
_NAME = "route_properties"


def open_to_all(view: View) -> View:
    """Let a view of the desk be asked for without being signed in."""
    return _marked(view, open_to_all=True)


def takes_upload(view: View) -> View:
    """Let a view take a body as large as `uploads.LARGEST`."""
    return _marked(view, takes_upload=True)


def gives_back(give_back: Callable[[], tuple[str, int]]) -> Callable[[View], View]:
    """Name what gives a form of the desk back as it was filled in, after a sign-out meanwhile."""
    return lambda view: _marked(view, gives_back=give_back)


def property_of(endpoint: str | None, name: str) -> Any:
    """Return a property of the view of an endpoint; None if it has none."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, _NAME, {}).get(name)


def _marked(view: View, **properties: object) -> View:
    setattr(view, _NAME, getattr(view, _NAME, {}) | properties)
    return view
