"""Query parameters of the gateway. What is none is 400 and names the parameter."""

import re

from django.http import HttpRequest

from chat.errors import OutOfRange

_WHOLE_NUMBER = re.compile(r"[0-9]{1,100}")


def read_limit(request: HttpRequest, *, default: int, most: int) -> int:
    """`limit`, cut to `most`; 0 asks for nothing."""
    text = request.GET.get("limit")
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise OutOfRange("limit must be a whole number, 0 or more", field="limit")
    return min(int(text), most)
