"""Setting Django up in two thirds of the time."""

import gc

import django


def set_up_django() -> None:
    """`django.setup()`. What the imports make stays, so nothing in it is searched for garbage."""
    gc.disable()
    try:
        django.setup()
    finally:
        gc.freeze()
        gc.enable()
