"""Routes below `/admin/settings/`, for those whom the admin lets in."""

from django.contrib import admin
from django.urls import URLPattern, path

from chat.live_settings import views

_inside = admin.site.admin_view

urlpatterns: list[URLPattern] = [
    path("", _inside(views.settings_index), name="live-settings"),
    path("secrets/", _inside(views.settings_secrets), name="live-settings-secrets"),
    path("secrets/remove/", _inside(views.forget_secret), name="live-settings-secret-remove"),
    path("<slug:group>/", _inside(views.settings_group), name="live-settings-group"),
    path("<slug:group>/reset/", _inside(views.reset_setting), name="live-settings-reset"),
]
