"""Under the cleared profile one kind of credential counts, and nothing is done unrecorded."""

import pytest
from django.db import connection
from django.test import Client

from accounts import audit
from accounts.authentication import authenticate_scope
from accounts.errors import InsecureTransport, MissingCredential
from accounts.models import AuditRecord
from tests.accounts.scopes import http_scope, socket_scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _cleared(settings):
    settings.STARPORT_PROFILE, settings.STARPORT_AUTH_PROVIDER = "cleared", "api_key"


@pytest.mark.parametrize(
    ("provider", "code", "challenge"),
    [
        ("mtls", "missing_client_cert", 'mTLS realm="stargraph"'),
        ("bearer_jwt", "missing_bearer", 'Bearer realm="stargraph"'),
    ],
)
def test_another_kind_of_credential_is_none(client, owner, settings, provider, code, challenge):
    settings.STARPORT_AUTH_PROVIDER = provider

    answer = client.get("/v1/runs", headers=owner.headers)

    assert answer.status_code == 401
    assert answer.json() == {"detail": code}
    assert answer.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("header", "scheme"),
    [("X-API-Key", ""), ("Authorization", "ApiKey "), ("Authorization", "Bearer ")],
)
def test_keys_count_where_they_are_chosen(client, owner, header, scheme):
    answer = client.get("/v1/runs", headers={header: scheme + owner.secret})

    assert answer.json()["provider"] == "api_key"


def test_the_first_header_decides(client, owner):
    headers = {"X-API-Key": "wrong", "Authorization": f"ApiKey {owner.secret}"}

    assert client.get("/v1/runs", headers=headers).json() == {"detail": "invalid_api_key"}


def test_the_daemon_token_is_none_of_them(client, owner, settings):
    settings.STARLINGD_TOKEN = "daemon-secret"

    answer = client.get("/v1/runs", headers={"Authorization": "Bearer daemon-secret"})

    assert answer.status_code == 401


def test_a_login_is_for_pages(admin):
    browser = Client()
    browser.force_login(admin.user)
    cookie = browser.cookies.output(header="", sep=";").split(";")[0].strip()

    assert browser.get("/v1/runs").status_code == 401
    for path in ("/inspect/runs", "/admin/runs/", "/api/v1/runs/R/stream"):
        assert authenticate_scope(http_scope(path=path, cookie=cookie)).provider == "session"
    for path in ("/api/v1/runs", "/ws", "/v1/runs/R/stream"):
        with pytest.raises(MissingCredential):
            authenticate_scope(http_scope(path=path, cookie=cookie))


def test_a_socket_in_the_clear_is_refused(owner):
    clear = socket_scope(x_api_key=owner.secret)

    with pytest.raises(InsecureTransport):
        authenticate_scope({**clear, "scheme": "ws"})
    assert authenticate_scope({**clear, "scheme": "wss"}).actor == owner.user.pk


@pytest.mark.django_db(transaction=True)
def test_decisions_are_on_record_before_the_answer(client, owner, settings):
    settings.STARPORT_AUDIT_FLUSH_MS = 60_000

    client.get("/v1/runs", headers=owner.headers)

    kinds = list(AuditRecord.objects.order_by("seq").values_list("fact_kind", flat=True))
    assert kinds[-2:] == ["auth_succeeded", "capability_granted"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("granted", [True, False])
def test_what_cannot_be_recorded_is_not_done_and_refusals_stay_refusals(client, owner, granted):
    headers = owner.headers if granted else {"X-API-Key": "wrong"}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditrecord RENAME TO accounts_auditrecord_away")
    try:
        answer = client.get("/v1/runs", headers=headers)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_auditrecord_away RENAME TO accounts_auditrecord")

    assert answer.status_code == (503 if granted else 401)
    assert b"auditrecord" not in answer.content
    assert audit.verify().is_intact
