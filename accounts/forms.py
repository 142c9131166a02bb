"""The form of the login page: an API key, or an e-mail address and a password."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from accounts import attempts, audit
from accounts.credentials import address_of
from accounts.errors import AccountsError, InvalidCredential, TooManyAttempts
from accounts.models import ApiKey, User
from accounts.verification import refusal_of_wrong, verify_api_key


class LoginForm(AuthenticationForm):
    """For everybody who is active.

    `key_id` is the key that opened the door, `retry_after` the seconds a flooder has to wait.
    """

    only_admins = False

    username = forms.CharField(label="E-mail", required=False, max_length=254)
    password = forms.CharField(
        label="Password",
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    api_key = forms.CharField(
        label="API key",
        required=False,
        max_length=512,
        # Managers of passwords shall not offer the key where a password is asked for.
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.update(autofocus=False, autocomplete="username")
        self.key_id: str | None = None
        self.retry_after = 0

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("api_key") and not self.cleaned_data.get("username"):
            raise ValidationError("Enter an API key, or an e-mail address and a password.")
        provider = "login_key" if self.cleaned_data.get("api_key") else "login_password"
        try:
            user = self._user_by_key() if provider == "login_key" else self._user_by_password()
        except (InvalidCredential, TooManyAttempts) as error:
            self._record(provider, error)
            self.retry_after = getattr(error, "retry_after", 0)
            raise ValidationError(_explanation(error)) from error
        self._record(provider, None, actor=user.pk)
        self.user_cache = user
        return self.cleaned_data

    def _user_by_key(self) -> User:
        principal = verify_api_key(self.cleaned_data["api_key"], address=self._address)
        is_admin = principal.role == User.Role.ADMIN
        if self.only_admins and not is_admin:
            raise InvalidCredential("not_an_admin", actor=principal.actor)
        # The admin site knows nothing of a key's limits: a limited key would be unlimited there.
        limited = ApiKey.objects.exclude(capabilities=None).filter(pk=principal.api_key_id)
        if is_admin and limited.exists():
            raise InvalidCredential("limited_api_key", actor=principal.actor)
        self.key_id = principal.api_key_id
        return User.objects.get(pk=principal.user_id)

    def _user_by_password(self) -> User:
        # Unlike keys, passwords can be guessed: a throttled address does not get another try.
        if attempts.is_throttled(self._address):
            raise TooManyAttempts(attempts.retry_after(self._address))
        user = authenticate(
            self.request,
            username=self.cleaned_data["username"].strip(),
            password=self.cleaned_data.get("password", ""),
        )
        if not isinstance(user, User):
            raise refusal_of_wrong(InvalidCredential("invalid_password"), address=self._address)
        if self.only_admins and not user.is_staff:
            raise InvalidCredential("not_an_admin", actor=user.pk)
        return user

    @property
    def _address(self) -> str:
        return address_of(self.request) if self.request else ""

    def _record(
        self, provider: str, error: AccountsError | None, *, actor: str | None = None
    ) -> None:
        is_throttled = isinstance(error, TooManyAttempts)
        if is_throttled and attempts.count_throttled(self._address) is None:
            return
        reason = None if error is None else getattr(error, "reason", error.code)
        audit.record_decision(
            "auth_succeeded" if error is None else "auth_failed",
            actor=actor or getattr(error, "actor", None),
            durable=not is_throttled,
            provider=provider,
            route=audit.shortened(self.request.path) if self.request else "",
            method="POST",
            reason=reason,
            remote_addr=audit.shortened(self._address),
        )


class AdminLoginForm(LoginForm):
    """For the admin site."""

    only_admins = True


_EXPLANATIONS = {
    "not_an_admin": "These pages are for admins.",
    "limited_api_key": "This key is limited to some capabilities and cannot open these pages.",
}


def _explanation(error: InvalidCredential | TooManyAttempts) -> str:
    if isinstance(error, TooManyAttempts):
        return f"Too many wrong attempts. Try again in {error.retry_after} seconds."
    return _EXPLANATIONS.get(error.reason, "That is no key or password that counts here.")
