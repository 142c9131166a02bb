"""What endpoints can be told of."""

RUN_COMPLETED = "run.completed"
RUN_FAILED = "run.failed"
RUN_CANCELLED = "run.cancelled"
APPROVAL_REQUESTED = "approval.requested"
APPROVAL_ANSWERED = "approval.answered"
INSTANCE_STATUS_CHANGED = "instance.status_changed"
INSTANCE_GIVEN_UP = "instance.given_up"
TEST = "webhook.test"  # sent by hand, whatever was subscribed to

#: What can be subscribed to, and what it is about.
TYPES = {
    RUN_COMPLETED: "a run ended with its answer",
    RUN_FAILED: "a run ended with an error",
    RUN_CANCELLED: "a run was cancelled",
    APPROVAL_REQUESTED: "a run waits for a human",
    APPROVAL_ANSWERED: "somebody answered a run that waited",
    INSTANCE_STATUS_CHANGED: "an instance has another status",
    INSTANCE_GIVEN_UP: "an instance was restarted in vain too often: somebody has to look",
}
#: Each stands for all types that begin like it, those of later versions included.
FAMILIES = tuple(dict.fromkeys(f"{name.partition('.')[0]}.*" for name in TYPES))
ABOUT_INSTANCES = (INSTANCE_STATUS_CHANGED, INSTANCE_GIVEN_UP)
SUBSCRIBABLE = (*TYPES, *FAMILIES)


def matches(subscribed: list[str], event_type: str) -> bool:
    family = f"{event_type.partition('.')[0]}.*"
    return event_type in subscribed or family in subscribed
