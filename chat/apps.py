from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import receivers  # noqa: F401 - it connects itself
        from chat.live_settings.reading import OperatorSource
        from runs import operator_settings

        operator_settings.provide(OperatorSource())
