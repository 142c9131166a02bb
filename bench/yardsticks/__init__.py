"""The same work done without Starport: raw SQLite, DBOS, a plain ASGI application."""
