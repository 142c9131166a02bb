from runs.providers.base import ToolSpec, Usage
from runs.providers.local import LocalModel, fit_to_context
from tests.runs.providers.asking import assistant, request_for, tool_result

NOW = ToolSpec("now", "The time", {"type": "object", "properties": {}})


def test_history_that_does_not_fit_is_cut_at_the_old_end():
    history = [message for n in range(100) for message in (f"question {n} " * 50, assistant("yes"))]

    request = fit_to_context(request_for(*history, "the newest"))

    assert request.messages[-1].text == "the newest"
    assert request.messages[0].role == "user"
    assert 2 < len(request.messages) < len(history)


def test_what_tools_said_reaches_it_as_text():
    request = fit_to_context(
        request_for(
            "What time is it?",
            assistant("", [("1", "now", {})]),
            tool_result("1", "now", "noon"),
            tools=(NOW,),
        )
    )

    assert request.tools == ()
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[-1].text == "now answered: noon"


def test_it_costs_nothing():
    assert LocalModel().cost_usd(Usage(1000, 1000)) == 0.0
