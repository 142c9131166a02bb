"""Routes below `/admin/costs/`, for those whom the admin lets in."""

from django.contrib import admin
from django.urls import URLPattern, path

from chat.costs.admin import costs_page

urlpatterns: list[URLPattern] = [path("", admin.site.admin_view(costs_page), name="costs")]
