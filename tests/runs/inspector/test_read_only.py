"""Looking changes nothing: neither by a method, nor by a form, nor by code that runs meanwhile."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.signals import template_rendered

from runs.event_types import UserMessageAppended
from runs.inspector.access import read_only
from runs.log.append import append_locked
from runs.models import Event, Run
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db


def try_to_append(run):
    """Append as a service would. The savepoint keeps the failure away from the test."""
    with transaction.atomic():
        append_locked(Run.objects.get(pk=run.pk), [UserMessageAppended("written while reading")])


def test_the_database_refuses_an_append_inside_and_takes_it_afterwards():
    run = write_run(end="")

    with read_only(), pytest.raises(DatabaseError):
        try_to_append(run)

    assert Event.objects.filter(run=run).count() == 3
    try_to_append(run)
    assert Event.objects.filter(run=run).count() == 4


def test_an_error_inside_does_not_leave_the_connection_shut():
    run = write_run(end="")

    with pytest.raises(ZeroDivisionError), read_only():
        1 / 0  # noqa: B018

    try_to_append(run)
    assert Event.objects.filter(run=run).count() == 4


@pytest.mark.parametrize(
    "path", ["", "run/{id}", "run/{id}/live", "run/{id}/event/1", "admin list", "admin detail"]
)
def test_no_page_could_append_while_it_is_made(get, admin_client, path):
    run = write_run(end="")
    refusals: list[DatabaseError] = []

    def append_meanwhile(**_kwargs):
        if refusals:
            return
        try:
            try_to_append(run)
        except DatabaseError as error:
            refusals.append(error)

    template_rendered.connect(append_meanwhile)
    try:
        if path == "admin list":
            response = admin_client.get("/admin/runs/run/")
        elif path == "admin detail":
            response = admin_client.get(f"/admin/runs/run/{run.id}/change/")
        else:
            response = get(f"/inspect/{path.format(id=run.id)}")
    finally:
        template_rendered.disconnect(append_meanwhile)

    assert response.status_code == 200
    assert refusals
    assert Event.objects.filter(run=run).count() == 3


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_pages_can_only_be_read(client, settings, method):
    settings.STARLINGD_TOKEN = "the token of the daemon"
    run = write_run()

    for path in ("/inspect/", f"/inspect/run/{run.id}", f"/inspect/run/{run.id}/live"):
        request = getattr(client, method)
        response = request(path, headers={"Authorization": "Bearer the token of the daemon"})
        assert response.status_code == 405, path
        assert response.headers["Allow"] == "GET, HEAD"


def test_the_admin_has_no_form_that_adds_changes_or_deletes(admin_client):
    run = write_run()

    for path in ("add/", f"{run.id}/delete/", f"{run.id}/history/"):
        assert admin_client.get(f"/admin/runs/run/{path}").status_code == 404, path
    for path in ("", f"{run.id}/change/"):
        assert admin_client.post(f"/admin/runs/run/{path}").status_code == 405, path


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a promise about SQLite's write lock")
@pytest.mark.django_db(transaction=True)
def test_a_reader_does_not_hold_the_write_lock():
    with read_only():
        Run.objects.count()
        in_transaction = connection.connection.in_transaction

    assert not in_transaction
