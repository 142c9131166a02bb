"""The tools that come with Starport, one file per family."""

from runs.tools.builtin.ask_human import ask_human
from runs.tools.builtin.attach import attach
from runs.tools.builtin.calculate import calculate
from runs.tools.builtin.fetch_url import fetch_url
from runs.tools.builtin.files import list_files, read_file
from runs.tools.builtin.now import now
from runs.tools.builtin.start_run import start_run

BUILT_IN = (
    ask_human,
    attach,
    calculate,
    fetch_url,
    list_files,
    now,
    read_file,
    start_run,
)
