"""One module per subcommand of `manage.py instance`.

Each has `add_arguments(parser)` and `run(options, terminal)`, which returns the exit code.
"""
