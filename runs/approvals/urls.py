"""Routes below `/admin/approvals/`, for those whom the admin lets in."""

from django.contrib import admin
from django.urls import URLPattern, path

import runs.api.urls  # noqa: F401 - registers the `run_id` converter
from runs.approvals.views import approval_detail, approval_list

urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(approval_list), name="approvals"),
    path("<run_id:run_id>/", admin.site.admin_view(approval_detail), name="approval"),
]
