"""Properties that decorators give to a view: they are read before the view is called."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app

from ..services.rate_limits import Form

View = TypeVar("View", bound=Callable[..., Any])
_NAME = "route_properties"


def open_to_all(view: View) -> View:
    """Let a view of the desk be asked for without being signed in."""
    return _marked(view, open_to_all=True)


def for_administrators(view: View) -> View:
    """Answer everybody but administrators as if the view did not exist."""
    return _marked(view, for_administrators=True)


def open_to_partners(view: View) -> View:
    """Let partners ask a view for a discussion that they have a part of."""
    return _marked(view, open_to_partners=True)


def takes(form: Form) -> Callable[[View], View]:
    """Say which form a view takes that anybody may send, so that the form is limited and counted
    as one of these."""
    return lambda view: _marked(view, takes=form)


def takes_upload(view: View) -> View:
    """Let a view take a body as large as `uploads.MAX_UPLOAD_BYTES`."""
    return _marked(view, takes_upload=True)


def gives_back(give_back: Callable[[], tuple[str, int]]) -> Callable[[View], View]:
    """Name what gives a form of the desk back as it was filled in, after a sign-out meanwhile."""
    return lambda view: _marked(view, gives_back=give_back)


def when_stale(page: Callable[..., tuple[str, int]]) -> Callable[[View], View]:
    """Name the page that is shown again, by the view's own arguments, if the CSRF token of its
    button is not valid any more."""
    return lambda view: _marked(view, when_stale=page)


def property_of(endpoint: str | None, name: str) -> Any:
    """Return a property of the view of an endpoint; None if it has none."""
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, _NAME, {}).get(name)


def _marked(view: View, **properties: object) -> View:
    setattr(view, _NAME, getattr(view, _NAME, {}) | properties)
    return view
