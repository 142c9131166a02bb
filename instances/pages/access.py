"""Who may open the pages: everybody who logs in and holds the capability, not administrators alone.

Around them is the admin, which shows its sidebar to administrators.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from accounts.errors import AuthenticationError
from accounts.permissions import admit
from accounts.principals import Principal

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Principal, P], HttpResponse]
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def opens_to(capability: str) -> Callable[[Page[P]], View[P]]:
    """A page for callers who hold `capability`. A browser without a login is sent to get one."""

    def decorate(page: Page[P]) -> View[P]:
        @wraps(page)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            try:
                caller = admit(request, capability)
            except AuthenticationError:
                # Where no login counts, another one would only lead back here.
                if request.method not in ("GET", "HEAD") or request.user.is_authenticated:
                    raise
                return redirect_to_login(request.get_full_path(), reverse("login"))
            return page(request, caller, *args, **kwargs)

        return never_cache(guarded)

    return decorate
