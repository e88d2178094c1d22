"""The process that writes a node's checkpoints: the state's tree and SQLite's pages cost the sequencer nothing there.

A thread beside the sequencer's loop would take its interpreter a fifth of the time, and keep it for as long as the
kernel lets somebody else have the processor.

It loads while the node reads its files; then it reads and hashes the checkpoint, and waits for batches.
It ends at once when the node does, however that ends: the journal says all that a checkpoint would.
Until then it holds the node's lock with it, so that no later node reads files which are still being written.

    python -m rollup.node.checkpoint_process LINK FOLDER    number of an inherited socket, the node's folder
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from prover.memory import keep_freed_memory
from rollup.node.checkpoint_link import (
    HEAD,
    Said,
    message,
    spell_root,
    spelled_stage,
)
from rollup.node.checkpoint_writer import CheckpointWriter, load_hasher
from rollup.node.pace import Pace, nothing_waits, something_waits
from rollup.node.sealed_bytes import SpelledBatch
from rollup.node.storage import Checkpoints, Stage, StorageError
from rollup.state_tree import Digest

NODE_IS_GONE: Final = 0
"""Nobody reads this status."""

Requests = SimpleQueue[tuple[Said, bytes]]


def _exactly(link: socket.socket, count: int) -> bytes:
    """Read so many bytes; ends the process where the node has ended."""
    read = bytearray()
    while len(read) < count:
        piece = link.recv(count - len(read))
        if not piece:
            # Like a kill: what SQLite had begun to write counts for nothing.
            os._exit(NODE_IS_GONE)
        read += piece
    return bytes(read)


def listen(link: socket.socket, requests: Requests) -> None:
    """Take what the node says until the end, in a thread that notices at once when the node is gone."""
    kind = None
    try:
        while kind is not Said.END:
            length, number = HEAD.unpack(_exactly(link, HEAD.size))
            kind = Said(number)
            requests.put((kind, _exactly(link, length)))
    except OSError:
        os._exit(NODE_IS_GONE)


def serve(link: socket.socket, folder: Path, requests: Requests) -> None:
    """Do what the node asks for, one thing after the other."""
    load_hasher()
    checkpoints = Checkpoints(folder / "checkpoint.sqlite")
    try:
        writer = CheckpointWriter(checkpoints, folder)
        while True:
            kind, body = requests.get()
            match kind:
                case Said.BEGIN:
                    root = _begun(writer, checkpoints)
                    link.sendall(message(Said.DONE, spell_root(root)))
                case Said.BATCH | Said.URGENT_BATCH:
                    pace = Pace(something_waits if kind is Said.URGENT_BATCH else nothing_waits)
                    root = writer.write_down(SpelledBatch.from_bytes(body), pace)
                    link.sendall(message(Said.DONE, spell_root(root)))
                case Said.STAGE:
                    number, stage = spelled_stage(body)
                    checkpoints.set_stage(number, Stage(stage))
                    link.sendall(message(Said.DONE))
                case Said.END:
                    return
                case _:
                    raise ValueError(f"the node says {kind.name} to the one who writes its checkpoints")
    finally:
        checkpoints.close()


def _begun(writer: CheckpointWriter, checkpoints: Checkpoints) -> Digest:
    """Build the tree of what the checkpoint holds."""
    loaded = checkpoints.load()
    root = writer.begin(loaded.state.all_leaves(), loaded.root)
    gc.freeze()
    return root


def main() -> None:
    """Write checkpoints until the node says that it ends, or is gone."""
    keep_freed_memory()
    # Whoever ends everything at once lets the node finish what is being written.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    link, folder = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])
    requests: Requests = SimpleQueue()
    Thread(target=listen, args=(link, requests), name="node", daemon=True).start()
    try:
        serve(link, folder, requests)
    except (StorageError, sqlite3.Error) as error:
        said = str(error) if isinstance(error, StorageError) else f"a checkpoint cannot be written: {error}"
        link.sendall(message(Said.FAILED, said.encode()))
        sys.exit(1)


if __name__ == "__main__":
    main()
