from django.apps import AppConfig
from django.conf import settings


class ProjectConfig(AppConfig):
    name = "project"
    verbose_name = "Starport"

    def ready(self) -> None:
        from project import checks, openapi_security, unhandled  # noqa: F401 - they register things

        if settings.STARPORT_EXECUTOR == "celery":
            from project import celery  # noqa: F401 - shared tasks bind to this application
