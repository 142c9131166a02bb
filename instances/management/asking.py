"""Questions to the backend from a program that waits for nothing else."""

import asyncio
from argparse import ArgumentParser
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from instances.errors import AmbiguousInstance, InstanceNotFound, InstancesError, NotConfigured
from instances.services.lookup import find_id

ResultT = TypeVar("ResultT")


class Failed(Exception):
    """What was asked for was not done. The message is for the person at the terminal."""


def add_id(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="of an instance, or how it begins")


def ask(attempt: str, question: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The answer. Raises `Failed`, with `attempt`, such as `list instances`, in its message."""
    try:
        return asyncio.run(question)
    except InstancesError as error:
        raise failure(attempt, error) from error


def ask_about(
    attempt: str, beginning: str, question: Callable[[str], Coroutine[Any, Any, ResultT]]
) -> tuple[str, ResultT]:
    """The whole id of an instance, and the answer to a question about it."""
    instance_id = whole_id(attempt, beginning)
    return instance_id, ask(f"{attempt} {instance_id}", question(instance_id))


def whole_id(attempt: str, beginning: str) -> str:
    """Raises `Failed` unless there is exactly one instance whose id begins like that."""
    try:
        return asyncio.run(find_id(beginning))
    except (InstanceNotFound, AmbiguousInstance) as error:
        raise Failed(f"{error}.") from error
    except InstancesError as error:
        raise failure(f"{attempt} {beginning}", error) from error


def failure(attempt: str, error: InstancesError) -> Exception:
    """What to raise instead. That there is no backend is another kind of answer."""
    return error if isinstance(error, NotConfigured) else Failed(f"Failed to {attempt}: {error}")
