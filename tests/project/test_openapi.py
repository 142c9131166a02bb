"""The OpenAPI document of the whole product: complete, valid, served."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import pytest
from django.urls import URLResolver
from drf_spectacular.validation import validate_schema

from project.urls import urlpatterns
from tests.conftest import StartServer
from tests.server import ROOT, RunningServer

DOCUMENT = ROOT / "docs/reference/openapi.json"
SURFACES = ("/api/", "/hooks/", "/health", "/metrics", "/openai/", "/v1/")
PUBLIC = ("/api/auth/verify", "/api/config", "/api/health", "/health")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def routes(patterns: Iterable[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from (f"{pattern.pattern}{route}" for route in routes(pattern.url_patterns))
        else:
            yield str(pattern.pattern)


def test_the_served_document_is_the_written_one(server: RunningServer):
    answer = server.anonymous.get("/openapi.json")
    again = server.anonymous.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.content == DOCUMENT.read_bytes()
    assert again.status_code == 304


def test_it_and_its_pages_can_be_taken_away(start_server: StartServer):
    server = start_server(env={"STARPORT_OPENAPI": "false"}, workers=0)

    paths = ("/openapi.json", "/swagger", "/redoc")

    assert [server.anonymous.get(path).status_code for path in paths] == [404, 404, 404]


def test_it_is_valid_by_the_rules_of_openapi_and_json_schema(document: dict[str, Any]):
    validate_schema(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]):
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


def test_every_route_has_an_operation(document: dict[str, Any]):
    parameter = re.compile(r"<\w+:(\w+)>")
    routed = {"/" + parameter.sub(r"{\1}", route) for route in routes(urlpatterns)}

    assert set(document["paths"]) == {path for path in routed if path.startswith(SURFACES)}


def test_operations_have_names_of_their_own_and_answers_with_shapes(document: dict[str, Any]):
    names = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(names)) == len(names)
    for path, operation in operations(document):
        for status, answer in operation["responses"].items():
            assert "content" in answer or status in ("204", "304"), (path, status)
            assert "X-Request-Id" in answer["headers"]


def test_whoever_needs_a_credential_is_told_of_every_refusal(document: dict[str, Any]):
    for path, operation in operations(document):
        if path not in PUBLIC and not path.startswith("/hooks/"):
            assert operation["security"] == [{"bearer": []}, {"apiKey": []}, {"mutualTLS": []}]
            assert {"401", "403", "429", "500", "503"} <= set(operation["responses"]), path
