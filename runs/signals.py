"""News for the apps above. Sent after commit, in the thread that committed; do little there."""

from django.dispatch import Signal

#: A run's terminal event is durable. Keyword argument: `run_id`.
run_finished = Signal()
