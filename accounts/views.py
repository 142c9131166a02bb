"""The login pages: of everybody, and of the admin."""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from accounts.forms import AdminLoginForm, LoginForm
from accounts.key_sessions import remember_key
from project.lib.db import write_transaction


class MemberLoginView(LoginView):
    """Opens the pages to whoever is active, by password or API key."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return "/"

    def form_valid(self, form: Any) -> HttpResponse:
        with write_transaction():
            login(self.request, form.get_user())
            if form.key_id is not None:
                remember_key(self.request, form.key_id)
        return HttpResponseRedirect(self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        if form.retry_after:
            response.status_code = 429
            response.headers["Retry-After"] = str(form.retry_after)
        return response


class AdminLoginView(MemberLoginView):
    """Opens the admin to an admin's password or unlimited API key."""

    authentication_form = AdminLoginForm
    redirect_authenticated_user = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if getattr(request.user, "is_staff", False):
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")


@login_required(login_url="admin:login")
def set_own_password(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """The admin's "change password" link: there may be no old password to ask for."""
    return redirect("admin:auth_user_password_change", request.user.pk)
