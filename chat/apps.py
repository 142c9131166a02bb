from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import receivers  # noqa: F401 - it connects itself
        from chat.memory.review import GRAPH
        from chat.memory.tools import TOOLS
        from runs.graphs.registry import offer_graph
        from runs.tools.registry import register_tool

        for tool in TOOLS:
            register_tool(tool)
        offer_graph(GRAPH)
