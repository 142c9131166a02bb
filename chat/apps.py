from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import notifications, receivers  # noqa: F401 - receivers connect themselves
        from runs import news

        news.hear(notifications.TOPIC, notifications.hear)
