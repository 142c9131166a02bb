"""The version of this program; CHANGELOG.md and pyproject.toml say the same."""

VERSION = "0.1.0"
