"""The security profiles, and which one is meant. Nothing of Django: flags are read before it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """What holds while a server runs under this profile."""

    name: str
    tls_required: bool  # clients arrive over TLS, ours or a declared proxy's, or not at all
    default_deny: bool  # one chosen kind of credential; nobody is let in without it
    audit_required: bool  # no answer before its decisions are in the audit trail
    side_effects: frozenset[str]  # what tools of a run may have


_NONE_OR_READ = frozenset({"none", "read"})

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="oss-default",
            tls_required=False,
            default_deny=False,
            audit_required=False,
            side_effects=_NONE_OR_READ | {"write", "external"},
        ),
        Profile(
            name="cleared",
            tls_required=True,
            default_deny=True,
            audit_required=True,
            side_effects=_NONE_OR_READ,
        ),
    )
}
DEFAULT = "oss-default"

#: The second name is Stargraph's.
VARIABLES = ("STARPORT_PROFILE", "STARGRAPH_PROFILE")

#: A profile that denies by default takes one of these kinds of credential; the first by default.
AUTH_PROVIDERS = ("mtls", "api_key", "bearer_jwt")


class ProfileError(Exception):
    """No profile can be told from what was said. The message is one sentence for the operator."""


def choose_profile(environ: Mapping[str, str], flag: str | None = None) -> Profile:
    """The profile that the environment and `--profile` name. Raises `ProfileError`.

    A misspelt or contradicting name must not end in the permissive profile.
    """
    named = {"--profile": flag or ""}
    named |= {variable: environ.get(variable, "").strip() for variable in VARIABLES}
    said = [(source, name) for source, name in named.items() if name]
    for _, name in said:
        if name not in PROFILES:
            raise ProfileError(f"unknown profile {name!r}; there are {' and '.join(PROFILES)}")
    for source, name in said:
        if name != said[0][1]:
            raise ProfileError(f"{said[0][0]} says {said[0][1]!r} and {source} says {name!r}")
    return PROFILES[said[0][1] if said else DEFAULT]
