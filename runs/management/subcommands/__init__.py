"""One module per subcommand of `manage.py runs`.

Each has `add_arguments(parser)` and `run(options, terminal)`, which returns the exit code.
"""
