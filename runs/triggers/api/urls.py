"""Routes of triggers. A webhook's path may have slashes in it."""

from django.urls import URLPattern, path, register_converter

from runs.triggers.api.views import FireView, HookView, TriggersView
from runs.triggers.definitions import ID_PATTERN, PATH_PATTERN


class TriggerIdConverter:
    """What is no trigger's id is no route, and never reaches the database."""

    regex = ID_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class HookPathConverter(TriggerIdConverter):
    regex = PATH_PATTERN


register_converter(TriggerIdConverter, "trigger_id")
register_converter(HookPathConverter, "hook_path")

urlpatterns: list[URLPattern] = [
    path("hooks/<hook_path:path>", HookView.as_view()),
    path("v1/triggers", TriggersView.as_view()),
    path("v1/triggers/<trigger_id:trigger_id>/fire", FireView.as_view()),
]
