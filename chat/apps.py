from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import notifications, receivers  # noqa: F401 - receivers connect themselves
        from chat.costs.gate import Gate
        from chat.cron.tools import TOOLS as CRON_TOOLS
        from chat.live_settings.reading import OperatorSource, for_instances
        from chat.memory.review import GRAPH
        from chat.memory.tools import TOOLS as MEMORY_TOOLS
        from instances import operator_settings as instance_settings
        from runs import news, operator_settings
        from runs.engine import spending
        from runs.graphs.registry import offer_graph
        from runs.tools.registry import register_tool

        operator_settings.provide(OperatorSource())
        instance_settings.provide(for_instances)
        spending.set_limits(Gate())
        news.hear(notifications.TOPIC, notifications.hear)
        for tool in (*CRON_TOOLS, *MEMORY_TOOLS):
            register_tool(tool)
        offer_graph(GRAPH)
