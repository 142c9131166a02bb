"""Routes of the documentation."""

from django.urls import URLPattern, path

from chat.docs_site import views

urlpatterns: list[URLPattern] = [
    path("docs", views.front, name="docs"),
    path("docs/", views.front),
    path("docs/<path:path>", views.page, name="docs-page"),
]
