#!/usr/bin/env python
"""Starport's command line: `manage.py serve`, `manage.py runs …`, and Django's own commands."""

import sys

from project.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
