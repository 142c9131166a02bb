"""The pages below `/docs`. They are public: so is what they say."""

import mimetypes

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from chat.docs_site import library

QUERY_CHARS = 200


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """The table of contents, or what a search found."""
    query = request.GET.get("q", "").strip()[:QUERY_CHARS]
    context = {
        "contents": library.contents(),
        "shown": library.contents(),
        "query": query,
        "hits": library.search(query) if query else [],
    }
    return render(request, "docs/front.html", context)


@require_safe
def page(request: HttpRequest, path: str) -> HttpResponseBase:
    if not path:
        return front(request)
    file = library.find_file(path)
    if file is not None:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file.open("rb"), content_type=kind)
    found = library.find_page(path)
    context = {"contents": library.contents(), "page": found}
    if found is None and (section := library.section_of(path)):
        return render(request, "docs/front.html", {**context, "shown": section})
    if found is None:
        return render(request, "docs/missing.html", context, status=404)
    return render(request, "docs/page.html", context)
