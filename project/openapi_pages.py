"""The OpenAPI document over HTTP, and two pages that show it. Nothing here needs a credential."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import condition, require_safe

from project.openapi import build_document, render_document

_REDOC = "drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js"
# The one picture that Redoc would fetch from its makers, and ours.
_FOREIGN_PICTURE = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_OUR_PICTURE = b"/static/img/starport.svg"

# Both set styles of elements they make; scripts come from files of ours alone.
_WITH_STYLES = {"style-src": [UNSAFE_INLINE]}


@cache
def _document() -> tuple[bytes, str]:
    """The document and its entity tag: it depends on the code alone."""
    content = render_document(build_document())
    return content, f'"{sha256(content).hexdigest()}"'


@require_safe
@condition(etag_func=lambda request: _document()[1])
def document(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_document()[0], content_type="application/json")


@require_safe
@csp_update(_WITH_STYLES)
def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "openapi/swagger.html")


@require_safe
@csp_update(_WITH_STYLES)
def redoc(request: HttpRequest) -> HttpResponse:
    return render(request, "openapi/redoc.html")


@cache
def _redoc_bundle() -> tuple[bytes, str]:
    path = finders.find(_REDOC)
    assert isinstance(path, str)  # the package is pinned
    content = Path(path).read_bytes().replace(_FOREIGN_PICTURE, _OUR_PICTURE)
    return content, f'"{sha256(content).hexdigest()}"'


@require_safe
@condition(etag_func=lambda request: _redoc_bundle()[1])
def redoc_bundle(request: HttpRequest) -> HttpResponse:
    """Redoc as it is shipped, but for a picture from another host."""
    return HttpResponse(_redoc_bundle()[0], content_type="text/javascript")
