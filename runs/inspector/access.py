"""Who may look, and the promise that looking changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import capabilities
from accounts.permissions import admit
from accounts.principals import Principal
from runs.errors import RunNotFound

P = ParamSpec("P")


def inspects(
    page: Callable[Concatenate[HttpRequest, Principal, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page for callers who may read runs; whatever it does, the database refuses to change.

    The page must return rendered: what renders later does so outside of the promise.
    """

    @wraps(page)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        principal = admit(request, capabilities.RUNS_READ)
        require_inspector()
        with read_only():
            try:
                return page(request, principal, *args, **kwargs)
            except RunNotFound as error:
                raise Http404(str(error)) from error

    return require_safe(guarded)


def require_inspector() -> None:
    """Raise `Http404` when the server was started with `--no-inspect`."""
    if not settings.STARPORT_INSPECT:
        raise Http404("the inspector is switched off")


@contextmanager
def read_only() -> Iterator[None]:
    """The database refuses every write of this thread inside the block.

    It is a switch on the thread's own connection: a second connection per thread, opened for
    reading, would keep the promise as well and double the number of connections.
    """
    if connection.vendor == "sqlite":
        # Not `atomic()`: that would take the write lock and make appends wait for a reader.
        _execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            _execute("PRAGMA query_only = OFF")
        return
    with transaction.atomic():
        _execute("SET TRANSACTION READ ONLY")
        yield


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
