"""All figures, in the order in which they are measured and shown."""

from bench.core.figure import Figure
from bench.figures import (
    appends,
    argon2,
    bursts,
    fanout,
    graph_steps,
    latency,
    memory,
    requests,
    search,
    validation,
)

FIGURES: tuple[Figure, ...] = (
    appends.FIGURE,
    bursts.FIGURE,
    graph_steps.FIGURE,
    latency.FIGURE,
    requests.FIGURE,
    fanout.FIGURE,
    validation.FIGURE,
    memory.FIGURE,
    search.FIGURE,
    argon2.FIGURE,
)
