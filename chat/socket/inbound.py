"""What clients say on the socket, checked and typed."""

from typing import Any, Literal

import orjson
from pydantic import Field, ValidationError

from chat.api.bodies import Body, complaint
from chat.services.attachments import Upload
from chat.services.sessions import KEY_CHARS
from runs.storable import Unstorable, complaint_about, read_json

SEQ_MAX = 2**31


class BadFrame(Exception):
    """What came is no frame of ours. The message may be read by clients."""


class UploadFrame(Body):
    file_name: str
    mime_type: str
    data: str

    def as_upload(self) -> Upload:
        return Upload(self.file_name, self.mime_type, self.data)


class MessageFrame(Body):
    """Something said. `user_id` counts where nobody can prove who they are."""

    type: Literal["message"]
    text: str
    user_id: str | None = None
    channel_id: str | None = None
    channel_session_key: str | None = Field(None, max_length=KEY_CHARS)
    attachments: tuple[UploadFrame, ...] | None = Field(None, strict=False)
    model: str | None = None


class StopFrame(Body):
    """End the run that is under way."""

    type: Literal["stop"]


class ResumeFrame(Body):
    """Go on with the answer of a run, after the event that was seen last."""

    type: Literal["resume"]
    session_id: str
    run_id: str
    after: int = Field(0, ge=0, le=SEQ_MAX)


Inbound = MessageFrame | StopFrame | ResumeFrame

_KINDS: dict[str, type[MessageFrame] | type[StopFrame] | type[ResumeFrame]] = {
    "message": MessageFrame,
    "stop": StopFrame,
    "resume": ResumeFrame,
}


def read_frame(text: str) -> Inbound:
    """Raises `BadFrame`."""
    try:
        value: Any = read_json(text.encode(errors="surrogatepass"))
    except orjson.JSONDecodeError:
        raise BadFrame("not valid JSON") from None
    except Unstorable as error:
        raise BadFrame(str(error)) from None
    if not isinstance(value, dict):
        raise BadFrame("a frame is a JSON object")
    if "type" not in value:
        raise BadFrame("type: field required")
    kind = _KINDS.get(value["type"]) if isinstance(value["type"], str) else None
    if kind is None:
        raise BadFrame(f"type: one of {', '.join(_KINDS)}")
    said = {name: part for name, part in value.items() if name != "attachments"}
    if unstorable := complaint_about(said):
        raise BadFrame(unstorable)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise BadFrame(str(complaint(error))) from None
