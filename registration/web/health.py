"""Health and metrics for monitors, without personal data."""

from collections.abc import Iterator

from flask import Blueprint, Response, abort, jsonify

from .. import app_context
from ..crypto.key_ring import KeysLocked
from ..database import DatabaseBusy, DatabaseUnavailable, reading
from ..models import LetterState
from ..refusals import Refusal
from ..services.operations import health_checks
from ..services.operations.health_checks import Figures
from ..version import VERSION
from .hosts import is_from_this_machine

METRICS = "text/plain; version=0.0.4; charset=utf-8"

_MEANING = {
    "outbox_letters": "Letters, by state.",
    "outbox_oldest_due_seconds": "For how long the oldest letter has been due.",
    "failed_letters": "Letters that have failed.",
    "erasures_due": "Registrations whose time to be erased has come.",
    "erasures_total": "Registrations, and texts to attendees, that have been erased.",
    "last_round_timestamp_seconds": "When the worker last erased what was due; 0 for never.",
    "last_backup_timestamp_seconds": "When the last backup was made; 0 for never.",
    "failed_sign_ins": "Organizers' sign-ins that have failed within the last 24 hours.",
    "schema_info": "The revision of the tables.",
    "build_info": "The version of the service.",
}

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> tuple[Response, int]:
    """Answer ok, or degraded with the reasons; 503 if the database does not answer, or if the
    process is stuck and needs a restart."""
    if stuck := app_context.find_stuck():
        return jsonify(status="unavailable", why=stuck), 503
    try:
        app_context.open_keys()
        with reading() as tx:
            tx.hold_keys()  # another host may have rotated them
            why = health_checks.problems(tx)
    except KeysLocked:
        return jsonify(status="locked", why=["The key waits for `flask keys unlock`."]), 503
    except (DatabaseBusy, DatabaseUnavailable):
        return jsonify(status="unavailable", why=["The database does not answer."]), 503
    except Refusal:
        # The sentence of the refusal names folders and keys, which are for the log alone.
        why = ["Pages are not served: `flask database check` says why."]
    return (jsonify(status="degraded", why=why) if why else jsonify(status="ok")), 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus (text format 0.0.4), for this machine alone unless OPEN_METRICS."""
    if not (is_from_this_machine() or app_context.settings().open_metrics):
        abort(404)
    with reading() as tx:
        figures = health_checks.figures(tx)
    return Response("".join(_lines(figures)), content_type=METRICS)


def _lines(figures: Figures) -> Iterator[str]:
    for name, values in _values(figures).items():
        kind = "counter" if name.endswith("_total") else "gauge"
        yield f"# HELP registration_{name} {_MEANING[name]}\n# TYPE registration_{name} {kind}\n"
        for labels, value in values.items():
            yield f"registration_{name}{labels} {value}\n"


def _values(figures: Figures) -> dict[str, dict[str, float]]:
    """Return the values of each metric by their labels."""
    return {
        "outbox_letters": {f'{{state="{it.value}"}}': n for it, n in figures.letters.items()},
        "outbox_oldest_due_seconds": {"": figures.oldest_due},
        "failed_letters": {"": figures.letters[LetterState.FAILED]},
        "erasures_due": {"": figures.erasures_due},
        "erasures_total": {"": figures.erasures},
        "last_round_timestamp_seconds": {"": figures.last_round},
        "last_backup_timestamp_seconds": {"": figures.last_backup},
        "failed_sign_ins": {"": figures.failed_sign_ins},
        "schema_info": {f'{{revision="{figures.schema}"}}': 1},
        "build_info": {f'{{version="{VERSION}"}}': 1},
    }
