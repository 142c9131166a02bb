from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import receivers  # noqa: F401 - it connects itself
        from chat.costs.gate import Gate
        from runs.engine import spending

        spending.set_limits(Gate())
