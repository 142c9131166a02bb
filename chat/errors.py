"""What chat refuses. The class docstring is the rule; the message may be read by clients."""


class ChatError(Exception):
    """Base of all refusals of this app."""


class MalformedBody(ChatError):
    """The body is not JSON, not an object, or too deep."""


class UnsupportedMediaType(ChatError):
    """Bodies are sent as `application/json`."""

    def __init__(self) -> None:
        super().__init__("Expected request with `Content-Type: application/json`")


class TooLarge(ChatError):
    """What was sent is longer than may be kept."""


class InvalidBody(ChatError):
    """A field is missing or has another type. `field` is its dotted name; empty: the whole body."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class OutOfRange(ChatError):
    """A field has the right type and a value that is not allowed."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ChangedMeanwhile(ChatError):
    """Settings are changed by who saw them as they are."""

    def __init__(self) -> None:
        super().__init__("Somebody changed these settings meanwhile; look again")


class AdminOnly(ChatError):
    """Settings are for those who may manage them."""

    def __init__(self) -> None:
        super().__init__("Admin access required")


class CannotDeactivateYourself(ChatError):
    """An administrator cannot shut themselves out."""

    def __init__(self) -> None:
        super().__init__("Cannot deactivate yourself")


class TelegramAccountUnnamed(ChatError):
    """A link needs the account's id or its name."""

    def __init__(self) -> None:
        super().__init__("Provide a Telegram ID or username")


class TelegramAccountTaken(ChatError):
    """Another user has this Telegram account; `force` takes it away from them."""

    def __init__(self) -> None:
        super().__init__("This Telegram account is linked to another user")


class TargetInvalid(ChatError):
    """A page to look at is not named by a URL that can be looked at."""


class TargetForbidden(ChatError):
    """A page to look at lies where nobody may be sent."""


class SessionNotFound(ChatError):
    """There is no such session, or not for this caller."""

    def __init__(self) -> None:
        super().__init__("Session not found")


class DocumentNotFound(ChatError):
    """The memory has no document of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no document {name[:100]!r}")


class ModelNotAllowed(ChatError):
    """The message names a model that is not among the configured ones."""

    def __init__(self, model: str) -> None:
        super().__init__(f"Chat error: Config error: model {model} is not in the allowed list")


class ModelWithoutProvider(ChatError):
    """Messages may ask for the model, and the server is not configured to reach it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Chat error: Config error: {reason}")


class NotTakenUp(ChatError):
    """The message was stored and could not be answered: its run could not be started."""


class OverLimit(ChatError):
    """What the caller, or the key, may spend is spent."""


class ProviderFailed(ChatError):
    """The model did not answer, and would not if it were asked again."""


class ProviderBusy(ProviderFailed):
    """The model's provider has no room for us now."""


class ProviderTimedOut(ProviderFailed):
    """The model's provider took too long."""


class CompletionRefused(ChatError):
    """A request of the OpenAI-compatible API that is not understood, or asks for what is not here.

    `field` is the parameter, `code` the word that its clients know.
    """

    def __init__(self, message: str, *, field: str, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class NoSuchModel(CompletionRefused):
    """Neither a graph with a text output nor a model that messages may ask for."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model '{model[:200]}' does not exist", field="model", code="model_not_found"
        )


class RunWasCancelled(ChatError):
    """Somebody cancelled the run before it had answered."""

    def __init__(self) -> None:
        super().__init__("The run was cancelled")


class IdempotencyConflict(ChatError):
    """The Idempotency-Key came with another message before."""


class TooManyLogs(ChatError):
    """Each log that somebody follows is a connection to the backend."""

    def __init__(self) -> None:
        super().__init__("Too many logs are open; close one of them")


class CronJobNotFound(ChatError):
    """There is no such job, or not for this caller."""

    def __init__(self) -> None:
        super().__init__("Cron job not found")


class CronJobNameTaken(ChatError):
    """Among the jobs of one owner a name stands for one of them."""


class CronJobReserved(ChatError):
    """The heartbeat's job follows from HEARTBEAT.md and the cron settings, and nothing else."""


class CronJobUnderWay(ChatError):
    """A job whose runs do not overlap is not started while one of them is under way."""


class NotYourJob(ChatError):
    """Jobs are made for oneself; administrators make them for others and for the assistant."""


class WebhookNotFound(ChatError):
    """There is no such endpoint."""

    def __init__(self) -> None:
        super().__init__("Webhook not found")


class WebhookDeliveryNotFound(ChatError):
    """The endpoint's log has no such delivery."""

    def __init__(self) -> None:
        super().__init__("Webhook delivery not found")


class WebhookDisabled(ChatError):
    """A disabled endpoint gets nothing, not even by hand."""

    def __init__(self) -> None:
        super().__init__("This webhook is disabled")
