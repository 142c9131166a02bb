"""Amazon Bedrock's Converse API. boto3 brings its own connections and finds the credentials."""

import boto3  # type: ignore[import-untyped]  # ships no types
import httpx2
from botocore.config import Config  # type: ignore[import-untyped]  # ships no types
from django.conf import settings
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider

from runs.providers.endpoints import Endpoint

_CONNECTIONS = 50


def build(endpoint: Endpoint, model_id: str, http: httpx2.AsyncClient) -> Model:
    config = Config(
        connect_timeout=settings.MODEL_CONNECT_TIMEOUT_SECONDS,
        read_timeout=settings.MODEL_IDLE_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
        max_pool_connections=_CONNECTIONS,
    )
    client = boto3.Session().client("bedrock-runtime", config=config)
    return BedrockConverseModel(model_id, provider=BedrockProvider(bedrock_client=client))
