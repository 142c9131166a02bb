"""What `manage.py memory` can do, a module for each subcommand."""
