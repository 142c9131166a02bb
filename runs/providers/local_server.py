"""The child process of the `local` model: llama.cpp's server on a Unix socket.

Run as `python -P local_server.py MODEL.gguf SOCKET`. It imports nothing of the project, prints
`ready` once it answers, and ends when its standard input does: the pipe from its parent closes
however the parent dies, kill -9 included.
"""

import os
import shutil
import sys
from pathlib import Path

SLOTS = 2  # answers generated at a time; further requests wait their turn
CONTEXT_TOKENS = 4096  # per slot: prompt and answer together
_PROMPT_CACHE_MIB = 64


def serve(model_path: str, socket_path: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model_path
    params.hostnames = [socket_path]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.kv_unified = False  # each slot has its own context; a long prompt takes none of others
    # One thread. More wait for each other at every layer of so small a model: on a busy machine
    # with two cores, two of them were twenty times slower than one.
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = 1
        pool.poll = 0
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    shutil.rmtree(Path(socket_path).parent, ignore_errors=True)
    # Skips llama.cpp's teardown, which may crash or wait for an answer nobody reads any more.
    os._exit(0)


def main() -> None:
    model_path, socket_path = sys.argv[1:]
    os.nice(5)  # the server that asks comes first
    serve(model_path, socket_path)


if __name__ == "__main__":
    main()
