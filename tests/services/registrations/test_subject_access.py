"""The download of an attendee tells nothing of anybody else."""

from registration.database import reading, writing
from registration.services.registrations import self_service, subject_access

from ... import builders
from ...machine import on_sqlite

pytestmark = on_sqlite


def held(address: str) -> dict:
    with reading() as tx:
        found = self_service.by_token(tx, builders.attendee(address).token)
        return subject_access.disclose(tx, *found)


def change(address: str, new: str) -> None:
    token = builders.attendee(address).token
    with writing() as tx:
        self_service.change(tx, token, builders.entry(new))


def test_a_change_of_address_looks_the_same_whether_the_new_one_is_registered(app):
    builders.publish()
    for address in ("known@example.org", "first@example.org", "second@example.org"):
        builders.register_and_confirm(address)
    change("first@example.org", "known@example.org")
    change("second@example.org", "unknown@example.org")
    kinds = [
        [it["kind"] for it in held(f"{one}@example.org")["letters"]] for one in ("first", "second")
    ]
    assert kinds[0] == kinds[1] == ["address_confirmation", "confirmation"]


def test_a_position_on_the_waiting_list_counts_confirmed_people_only(app):
    builders.publish(builders.file("seats = 1"))
    for address in ("seated@example.org", "first@example.org"):
        builders.register_and_confirm(address)
    builders.register(address="unconfirmed@example.org")
    builders.register_and_confirm("second@example.org")
    assert held("seated@example.org")["place"] is None
    assert [held(f"{one}@example.org")["place"] for one in ("first", "second")] == [1, 2]
    assert "queue_position" not in held("second@example.org")
