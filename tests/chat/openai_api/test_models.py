"""/openai/v1/models: what may be named as a model."""

import openai as sdk
import pytest
from openai import OpenAI

from tests.chat.openai_api.conftest import AsRole, client_of
from tests.server import RunningServer


def test_graphs_that_answer_with_text_and_configured_models_are_listed(openai: OpenAI):
    listed = {model.id: model.owned_by for model in openai.models.list()}

    assert {"agent", "chat", "approval", "scripted/scripted"} <= listed.keys()
    assert (listed["chat"], listed["scripted/scripted"]) == ("starport", "scripted")


@pytest.mark.parametrize("name", ["chat", "scripted/scripted", "scripted:scripted"])
def test_one_can_be_looked_up(openai: OpenAI, name: str):
    assert openai.models.retrieve(name).id == name


@pytest.mark.parametrize("name", ["gpt-9", "scripted/other", "openai/gpt-9", "a b/c"])
def test_another_name_is_no_model(openai: OpenAI, name: str):
    with pytest.raises(sdk.NotFoundError) as refused:
        openai.models.retrieve(name)

    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"


def test_a_wrong_key_is_refused_as_the_client_expects(server: RunningServer):
    with (
        client_of(server, "sp_live_" + "0" * 40) as client,
        pytest.raises(sdk.AuthenticationError) as refused,
    ):
        client.models.list()

    assert refused.value.code == "invalid_api_key"
    assert refused.value.type == "invalid_request_error"


def test_who_may_not_chat_sees_no_models(as_role: AsRole):
    with pytest.raises(sdk.PermissionDeniedError):
        as_role("viewer").models.list()


def test_unknown_paths_and_methods_are_refused_in_the_same_shape(server: RunningServer):
    missing = server.client.get("/openai/v1/embeddings")
    wrong = server.client.delete("/openai/v1/models")
    unknown = server.anonymous.get("/openai/v1/embeddings")

    assert [answer.status_code for answer in (missing, wrong, unknown)] == [404, 405, 401]
    for answer in (missing, wrong, unknown):
        assert list(answer.json()) == ["error"]
        assert list(answer.json()["error"]) == ["message", "type", "param", "code"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert wrong.headers["Allow"] == "GET, HEAD"
