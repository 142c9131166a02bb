"""Routes below `/admin/fleet/`, for whoever may read instances."""

from django.urls import URLPattern, path

from instances.pages import views

urlpatterns: list[URLPattern] = [
    path("", views.fleet_page, name="fleet"),
    path("live/", views.fleet_fragment, name="fleet-live"),
    path("look/", views.look_again, name="fleet-look"),
    path("create/", views.create_page, name="fleet-create"),
    path("instances/<str:instance_id>/", views.instance_page, name="fleet-instance"),
    path("instances/<str:instance_id>/live/", views.instance_fragment, name="fleet-instance-live"),
    path("instances/<str:instance_id>/<slug:name>/", views.command_page, name="fleet-command"),
]
