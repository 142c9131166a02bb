"""The admin's pages of this app, a module in each room."""

import chat.memory.admin  # noqa: F401 - registers its pages
