"""Our own settings, with views made to be watched."""

from project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.project.probe_urls"
