from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import receivers  # noqa: F401 - it connects itself
        from chat.cron.tools import TOOLS as CRON_TOOLS
        from chat.memory.tools import TOOLS as MEMORY_TOOLS
        from runs.tools.registry import register_tool

        for tool in (*CRON_TOOLS, *MEMORY_TOOLS):
            register_tool(tool)
