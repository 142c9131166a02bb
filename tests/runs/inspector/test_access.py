"""Who may look, and where they are sent."""

import pytest

from accounts.models import AuditRecord
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db

HTML = {"Accept": "text/html"}


def paths(run):
    return [
        "/inspect/",
        f"/inspect/run/{run.id}",
        f"/inspect/run/{run.id}/live",
        f"/inspect/run/{run.id}/event/1",
        f"/inspect/run/{run.id}/event/1/json",
        "/inspect/no/such/page",
    ]


def test_it_answers_401_to_whoever_sends_nothing(client, admin):
    run = write_run()

    for path in paths(run):
        assert client.get(path).status_code == 401, path


def test_it_sends_a_browser_without_login_to_the_login(client, admin):
    response = client.get("/inspect/?status=failed", headers=HTML)

    assert response.status_code == 302
    assert response.headers["Location"] == "/admin/login/?next=/inspect/%3Fstatus%3Dfailed"


def test_it_renders_for_the_daemon_token(client, admin, settings):
    settings.STARLINGD_TOKEN = "the token of the daemon"
    run = write_run()

    for path in paths(run)[:-1]:
        response = client.get(path, headers={"Authorization": "Bearer the token of the daemon"})
        assert response.status_code == 200, path


def test_it_renders_for_a_key_with_the_capability(get):
    run = write_run()

    assert get("/inspect/").status_code == 200
    assert get(f"/inspect/run/{run.id}").status_code == 200


def test_it_refuses_a_key_without_the_capability_and_records_that(get):
    run = write_run()

    for path in paths(run)[:-1]:
        assert get(path, role="scraper").status_code == 403, path
    fact = AuditRecord.objects.filter(fact_kind="capability_denied").latest("seq").event["fact"]
    assert fact["capability"] == "runs:read"


def test_other_peoples_runs_are_as_if_they_did_not_exist(get, owner, admin):
    mine = write_run(creator=owner)
    other = write_run(creator=admin)

    page = get("/inspect/", user=owner).content.decode()
    assert mine.id in page
    assert other.id not in page
    assert get(f"/inspect/run/{mine.id}", user=owner).status_code == 200
    for path in paths(other)[1:-1]:
        assert get(path, user=owner).status_code == 404, path


def test_a_login_is_led_to_the_pages_inside_the_admin(admin_client):
    run = write_run()

    listing = admin_client.get("/inspect/?q=goal")
    detail = admin_client.get(f"/inspect/run/{run.id}?seq=2")

    assert listing.headers["Location"] == "/admin/runs/run/?q=goal"
    assert detail.headers["Location"] == f"/admin/runs/run/{run.id}/change/?seq=2"
    for response in (listing, detail):
        assert response.status_code == 302
        assert admin_client.get(response.headers["Location"]).status_code == 200


def test_a_login_is_not_led_to_a_run_that_does_not_exist(admin_client):
    assert admin_client.get("/inspect/run/01NOSUCHRUN").status_code == 404


@pytest.mark.parametrize("path", ["/admin/runs/run/", "/admin/runs/run/RUN/change/"])
def test_the_admins_pages_want_an_admins_login(client, owner, path):
    run = write_run()
    client.force_login(owner)

    response = client.get(path.replace("RUN", run.id))

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_nothing_is_there_when_the_inspector_is_switched_off(get, admin_client, settings):
    settings.STARPORT_INSPECT = False
    run = write_run()

    for path in paths(run):
        assert get(path).status_code == 404, path
    assert admin_client.get("/admin/runs/run/").status_code == 404
    assert admin_client.get(f"/admin/runs/run/{run.id}/change/").status_code == 404
    assert b"/admin/runs/run/" not in admin_client.get("/admin/").content


def test_the_address_without_its_slash_leads_to_the_list(get):
    response = get("/inspect?q=x")

    assert response.status_code == 302
    assert response.headers["Location"] == "/inspect/?q=x"


def test_the_files_of_the_pages_are_public(client, admin):
    for path in ("css/inspector.css", "js/run_page.js", "js/run_list.js", "js/theme.js"):
        response = client.get(f"/static/{path}")
        response.close()
        assert response.status_code == 200, path


@pytest.mark.parametrize("path", ["/inspect/", "/admin/runs/run/", "/admin/approvals/"])
def test_the_pages_run_nothing_inline(get, admin_client, path):
    write_run()

    response = admin_client.get(path) if "admin" in path else get(path)

    policy = response.headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "unsafe-inline" not in scripts
    if "admin" not in path:
        assert b"style=" not in response.content
