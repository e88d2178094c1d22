"""A stand-in for a prover's process whose "proofs" the accepting verifier takes: it repeats each batch by the rules.

It starts from the signed orders in the node's files, as a prover does, and spells what a proof would show.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eth_abi.abi import encode

from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import BatchOutcome, apply_batch
from rollup.binding import bind, packed
from rollup.codec import DATA_VERSION
from rollup.node.archive import Archive
from rollup.node.proofs import (
    KeyIdentity,
    MadeStep,
    ProofReport,
    ProofShelf,
    StepReport,
    TerminalReport,
)
from rollup.schnorr import SepticSchnorr
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from tests.verifier_contracts.vault_bench import LAST_KEYS, STEP_KEYS, TERMINAL_KEY, TERMINAL_WORDS


def statement_of(folder: Path, number: int) -> list[int]:
    """The contract's words about a batch, computed once more."""
    with Archive(folder) as archive:
        archived = archive.batch(number)
    before, batch = archived.before, archived.batch
    outcome = apply_batch(before, batch, SepticSchnorr())
    assert isinstance(outcome, BatchOutcome)
    hasher = KernelHasher(POSEIDON16_20)
    roots = [packed(StateTree.of_state(state, hasher).root) for state in (before, outcome.state)]
    system, deployment = outcome.state.system, before.system.deployment
    bound = bind(outcome.published, deployment, batch.number, hasher)
    return [
        *(DATA_VERSION, deployment.chain, deployment.contract, batch.number),
        *(*roots, 0, len(outcome.published)),
        *(packed(bound.digest), packed(bound.point), packed(bound.value)),
        *(before.system.queue_position, system.queue_position),
        *(batch.time, system.parameters.version),
    ]


def prove(folder: Path, number: int) -> None:
    """Keep the statement in the place of base proof and first step."""
    shelf = ProofShelf(folder)
    content = json.dumps(statement_of(folder, number)).encode()
    shelf.keep(content, ProofReport(number, 0.25, len(content), 101.5, "small", "a preset"))
    shelf.keep_step(content, StepReport(number, 0.5, len(content), 101.25))


def join(folder: Path, first: int, last: int) -> None:
    """Spell the terminal statement in the place of the proof."""
    shelf = ProofShelf(folder)
    words = [*LAST_KEYS[0]]
    for number in range(first, last + 1):
        words += [*STEP_KEYS[0], *json.loads(shelf.step_path(number).read_text())]
    words += [0] * (TERMINAL_WORDS - len(words))
    content = encode(["bytes32", "uint256[]"], [TERMINAL_KEY, words])
    keys = (KeyIdentity(*STEP_KEYS[0]),) * (last - first + 1)
    steps = (MadeStep("join", 1.0, 10, 16, 5, 104.0), MadeStep("terminal", 1.0, len(content), 16, 5, 103.0))
    shelf.keep_terminal(
        content,
        TerminalReport(first, last, 2.0, len(content), 100.5, keys, KeyIdentity(*LAST_KEYS[0]), steps),
    )


def main(folder: Path) -> None:
    for line in sys.stdin:
        kind, *numbers = line.split()
        (prove if kind == "prove" else join)(folder, *map(int, numbers))
        sys.stdout.write(json.dumps({"seconds": 0.75}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
