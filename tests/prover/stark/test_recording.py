"""The verifier never looks at a value: two proofs of one shape make it do the same, and a replay decides the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.parameters import PRESETS
from prover.stark.key import VerificationKey
from prover.stark.proof import Proof
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.verifier import Verification
from prover.stark.verify import verify_messages
from tests.prover.stark.recording import (
    JUDGES,
    LISTENERS,
    NoValue,
    Recording,
    RecordingArithmetic,
    reaching,
    record,
    replay,
)

Messages = Proof[int, Any, Any]
NAMES = ["two-heights", "shuffle", "range-check", "memory"]


def proofs_of(
    name: str, preset: str, *seeds: int
) -> tuple[VerificationKey, list[tuple[list[int], Messages]]]:
    example = EXAMPLES[name]
    heights = example.log_heights(example.smallest)
    key = make_proving_key(example.circuit(), heights, PRESETS[preset], example.preprocessed(), threads=1)
    made = []
    for seed in seeds:
        filled = example.fill(example.smallest, seed, 1)
        made.append((filled.statement, prove(key, filled.traces, filled.statement, threads=1).messages))
    return key.verification, made


@pytest.mark.parametrize("preset", ["test-poseidon", "test-poseidon-36"])
@pytest.mark.parametrize("name", NAMES)
def test_two_proofs_of_one_shape_leave_the_same_list_of_operations(name: str, preset: str) -> None:
    key, made = proofs_of(name, preset, 1, 2)
    first, second = (record(key, statement, proof) for statement, proof in made)
    assert made[0][1] != made[1][1]
    assert len(first.operations) > 1000
    assert first.operations == second.operations


def test_two_shapes_leave_two_lists() -> None:
    lists = []
    for name in NAMES:
        key, ((statement, proof),) = proofs_of(name, "test-poseidon", 1)
        lists.append(record(key, statement, proof).operations)
    assert all(a != b for i, a in enumerate(lists) for b in lists[:i])


def decision(run: Callable[[], object]) -> Reason | None:
    try:
        run()
    except ProofRefused as refusal:
        return refusal.reason
    return None


def altered(proof: Messages, part: str) -> Messages:
    """The proof with one value of one part changed."""

    def other(value: Any) -> Any:
        return (value[0] ^ 1, *value[1:]) if isinstance(value, tuple) else (value + 1) % PRIME

    if part == "openings":
        (matrix, *matrices), *phases = proof.openings
        changed = replace(matrix, current=(other(matrix.current[0]), *matrix.current[1:]))
        return replace(proof, openings=((changed, *matrices), *phases))
    if part in {"phase row", "fold row", "phase path", "fold path"}:
        query, *queries = proof.queries
        field = "phases" if part.startswith("phase") else "folds"
        opening, *openings = getattr(query, field)
        if part.endswith("row"):
            row, *rows = opening.rows
            opening = replace(opening, rows=((other(row[0]), *row[1:]), *rows))
        else:
            opening = replace(opening, path=(other(opening.path[0]), *opening.path[1:]))
        return replace(proof, queries=(replace(query, **{field: (opening, *openings)}), *queries))
    values = getattr(proof, part)
    return replace(proof, **{part: (other(values[0]), *values[1:])})


PARTS = [
    "roots",
    "bus_sums",
    "openings",
    "fold_roots",
    "final_polynomial",
    "nonces",
    "phase row",
    "phase path",
    "fold row",
    "fold path",
]


@pytest.fixture(scope="module")
def recorded() -> tuple[VerificationKey, list[int], Messages, Recording]:
    key, ((statement, proof),) = proofs_of("range-check", "test-poseidon", 1)
    return key, statement, proof, record(key, statement, proof)


def test_a_replay_of_the_recording_accepts_what_the_verifier_accepts(
    recorded: tuple[VerificationKey, list[int], Messages, Recording],
) -> None:
    key, statement, proof, recording = recorded
    verify_messages(key, statement, proof, accept_insecure=True)
    replay(recording.operations, recording.inputs, key.parameters)


@pytest.mark.parametrize("part", PARTS)
def test_a_replay_refuses_what_the_verifier_refuses_for_the_same_reason(
    recorded: tuple[VerificationKey, list[int], Messages, Recording], part: str
) -> None:
    """The operations are those of the honest proof; only the inputs are the forged ones."""
    key, statement, proof, recording = recorded
    forged = altered(proof, part)
    inputs = record(key, statement, forged).inputs
    by_verifier = decision(lambda: verify_messages(key, statement, forged, accept_insecure=True))
    by_replay = decision(lambda: replay(recording.operations, inputs, key.parameters))
    assert by_verifier is not None
    assert by_replay is by_verifier


def test_another_statement_is_refused_by_both() -> None:
    key, ((statement, proof),) = proofs_of("two-heights", "test-poseidon", 1)
    other = [statement[0] ^ 1]
    recording = record(key, other, proof)
    by_verifier = decision(lambda: verify_messages(key, other, proof, accept_insecure=True))
    by_replay = decision(lambda: replay(recording.operations, recording.inputs, key.parameters))
    assert by_verifier is by_replay is Reason.CONSTRAINTS_DO_NOT_HOLD


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_proof_is_heard_or_judged(name: str) -> None:
    """A value that reaches neither the transcript nor a requirement could be changed by anybody."""
    key, ((statement, proof),) = proofs_of(name, "test-poseidon", 1)
    operations = record(key, statement, proof).operations
    inputs = {place for place, (operation, *_) in enumerate(operations) if operation == "input"}
    judged, heard = reaching(operations, JUDGES), reaching(operations, LISTENERS)
    assert inputs <= judged | heard
    # Everything is heard but what the queries open, and that is judged.
    opened = sum(
        len(opening.path) + sum(map(len, opening.rows))
        for query in proof.queries
        for opening in (*query.phases, *query.folds)
    )
    assert len(inputs & judged - heard) == opened


def test_a_verifier_that_branches_on_a_value_is_caught() -> None:
    class Curious(Verification):
        def receive_the_trace(self) -> None:
            if self.statement[0] == 0:
                return
            super().receive_the_trace()

    class Truthful(Verification):
        def receive_the_trace(self) -> None:
            if not self.statement[0]:
                return
            super().receive_the_trace()

    key, ((statement, proof),) = proofs_of("two-heights", "test-poseidon", 1)
    for curious in (Curious, Truthful):
        arithmetic = RecordingArithmetic()
        public = [arithmetic.base(value) for value in statement]
        with pytest.raises(NoValue):
            curious(arithmetic, key, None, public, proof).run()
