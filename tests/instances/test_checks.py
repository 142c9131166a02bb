"""`manage.py check`: configurations of a backend that cannot be right."""

from typing import Any

import pytest
from django.core.checks import run_checks


def complaints(settings: Any, *, url: str, key: str = "", backend: str = "") -> dict[str, str]:
    """What is said of instances, by its id."""
    settings.STARPORT_INSTANCE_BACKEND_URL = url
    settings.STARPORT_INSTANCE_API_KEY = key
    settings.STARPORT_INSTANCE_BACKEND = backend
    ours = ("starport.E006", "starport.W002", "starport.W003")
    return {found.id: found.msg for found in run_checks() if found.id in ours}


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("", ""),
        ("", "key-of-the-backend"),
        ("https://backend.example.com", "key-of-the-backend"),
        ("http://127.0.0.1:9000/api/v1", "key-of-the-backend"),
        ("http://localhost:9000", "key-of-the-backend"),
        ("http://backend.example.com", ""),
    ],
)
def test_nothing_is_said_of_what_is_right(settings: Any, url: str, key: str):
    assert complaints(settings, url=url, key=key) == {}


@pytest.mark.parametrize(
    ("url", "key"),
    [("backend.example.com", "k"), ("ftp://h", ""), ("https://h/?q", ""), ("https://h", "a\nb")],
)
def test_what_cannot_be_used_is_an_error_that_does_not_repeat_it(settings: Any, url: str, key: str):
    found = complaints(settings, url=url, key=key)

    assert list(found) == ["starport.E006"]
    assert url not in found["starport.E006"]


@pytest.mark.parametrize(
    ("url", "key"),
    [("http://backend.example.com", "key"), ("http://ada:secret@10.0.0.1", "")],
)
def test_a_credential_that_travels_unencrypted_is_warned_of(settings: Any, url: str, key: str):
    assert list(complaints(settings, url=url, key=key)) == ["starport.W003"]


def test_two_backends_are_warned_of(settings: Any):
    assert list(complaints(settings, url="https://h", backend="local")) == ["starport.W002"]
