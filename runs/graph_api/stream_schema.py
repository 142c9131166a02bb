"""The stream in the OpenAPI document, which itself knows only HTTP: frames as components."""

from typing import Any

from runs.graph_api.frame_shapes import FRAMES
from runs.graph_api.socket import SUBPROTOCOL

PATH = "/v1/runs/{run_id}/stream"

_CLOSING = {
    "1000": "The run has ended and everything was delivered",
    "1001": "The server shuts down",
    "1008": "No such run, a bad cursor, or a credential that counts no more",
    "1009": "The client sent a message of more than 1 KiB",
    "1011": "The client is too slow, or something of the server failed",
    "1013": "As many sockets as allowed watch the run already",
}


def describe_stream(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    schemas = result["components"]["schemas"]
    for shape in FRAMES:
        described = shape.model_json_schema()
        described.pop("description", None)
        schemas[shape.__name__] = described
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    result["x-websockets"] = {
        PATH: {
            "summary": "Watch a run: its history, then its life, one frame a text message",
            "capability": "runs:read",
            "subprotocols": [SUBPROTOCOL, "bearer.<token>"],
            "cursor": {"header": "Last-Event-Id", "query": "last_event_id"},
            "frames": {
                "oneOf": [{"$ref": f"#/components/schemas/{shape.__name__}"} for shape in FRAMES]
            },
            "closing": _CLOSING,
        }
    }
    return result
