"""Goals for the scripted model."""

#: Three model turns and two tool calls: five steps, twelve events, six commits.
FIVE_STEPS = (
    '!tool calculate {"expression":"2+3"}\n!turn\n'
    '!tool calculate {"expression":"4*5"}\n!turn\n'
    "!say done"
)
FIVE_STEP_EVENTS = 12

#: One model turn: four events, two commits. About the cheapest run there is.
ONE_TURN = "hello"

#: Asks a human and waits, holding no worker.
WAITING = '!tool ask_human {"prompt":"May I go on?"}'


def paced_turns(turns: int, seconds_per_turn: float) -> str:
    """Four events per turn, evenly over time. Needs a graph without a limit of turns."""
    turn = f'!sleep {seconds_per_turn}\n!tool calculate {{"expression":"2+3"}}'
    return "\n!turn\n".join([turn] * turns)
