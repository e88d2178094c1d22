"""What the verifier demands before it computes anything, and what it says when it says yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import ProofRefused, Reason
from prover.parameters import PRESETS, Grinding, StarkParameters, SuiteName
from prover.stark.encoding import NumberProof, encode_proof
from prover.stark.key import VerificationKey, make_verification_key
from prover.stark.proof import OpenedMatrix
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.verify import verify, verify_messages

Made = tuple[VerificationKey, list[int], NumberProof, bytes]


def make(parameters: StarkParameters) -> Made:
    example = EXAMPLES["two-heights"]
    key = make_proving_key(example.circuit(), example.log_heights(4), parameters, threads=1)
    filled = example.fill(4, 1, 1)
    proved = prove(key, filled.traces, filled.statement, threads=1)
    content = encode_proof(key.verification, filled.statement, proved.messages, proved.positions)
    return key.verification, filled.statement, proved.messages, content


@pytest.fixture(scope="module")
def insecure() -> Made:
    return make(PRESETS["test-keccak"])


@pytest.fixture(scope="module")
def hundred_bits() -> Made:
    """Secure parameters with little grinding: at 16 rows every round has bits to spare, at rate 1/16 queries too."""
    work = Grinding(query=8)
    return make(StarkParameters("hundred", 4, 60, 2, 2, work, SuiteName.KECCAK, 32, False, 100))


def refusal_of(run: Callable[[], Any]) -> ProofRefused:
    with pytest.raises(ProofRefused) as refusal:
        run()
    return refusal.value


def test_insecure_parameters_are_refused_unless_asked_for(insecure: Made) -> None:
    key, statement, _, content = insecure
    refusal = refusal_of(lambda: verify(key, statement, content))
    assert refusal.reason is Reason.INSECURE_PARAMETERS
    assert refusal.detail == "the parameters test-keccak are for tests only"
    accepted = verify(key, statement, content, accept_insecure=True)
    assert accepted.statement == tuple(statement)
    assert accepted.security.minimum < 30


def test_a_proof_with_the_bits_that_were_asked_for_is_accepted(hundred_bits: Made) -> None:
    key, statement, _, content = hundred_bits
    accepted = verify(key, statement, content)
    assert accepted.security.minimum >= 100
    assert accepted.security.minimum_without_grinding < accepted.security.minimum


def test_a_proof_with_fewer_bits_than_asked_for_is_refused(hundred_bits: Made) -> None:
    key, statement, _, content = hundred_bits
    has = verify(key, statement, content).security.minimum
    verify(key, statement, content, required_bits=int(has))
    refusal = refusal_of(lambda: verify(key, statement, content, required_bits=int(has) + 1))
    assert refusal.reason is Reason.TOO_FEW_SECURITY_BITS
    assert refusal.detail.endswith(f"provable bits, {int(has) + 1} were asked for")


def test_the_bits_come_from_the_heights_of_the_key(hundred_bits: Made) -> None:
    """The same parameters with fewer queries are fewer bits; nothing is read from the preset's own promise."""
    key, statement, proof, _ = hundred_bits
    fewer = replace(key.parameters, queries=10)
    weak = make_verification_key(key.circuit, key.log_heights, fewer)
    refusal = refusal_of(lambda: verify_messages(weak, statement, proof))
    assert refusal.reason is Reason.TOO_FEW_SECURITY_BITS


def test_a_refusal_is_one_line_with_its_reason(insecure: Made) -> None:
    key, statement, _, content = insecure
    refusal = refusal_of(lambda: verify(key, statement, content[:-1], accept_insecure=True))
    assert str(refusal) == "proof refused, truncated: the proof ends inside its paths of fold 1"


def longer(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*values, values[-1])


def shorter(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values[:-1]


@pytest.mark.parametrize("change", [longer, shorter])
@pytest.mark.parametrize(
    "name",
    ["roots", "bus_sums", "openings", "fold_roots", "final_polynomial", "nonces", "queries"],
)
def test_a_list_of_another_length_is_refused(
    insecure: Made, name: str, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> None:
    key, statement, proof, _ = insecure
    forged = replace(proof, **{name: change(getattr(proof, name))})
    refusal = refusal_of(lambda: verify_messages(key, statement, forged, accept_insecure=True))
    assert refusal.reason is Reason.SHAPE
    assert refusal.detail == "a list of the proof has another length than the key gives it"


@pytest.mark.parametrize("change", [longer, shorter])
@pytest.mark.parametrize("part", ["matrices", "current", "next", "phases", "folds", "rows", "row", "path"])
def test_a_list_within_a_list_of_another_length_is_refused(
    insecure: Made, part: str, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> None:
    key, statement, proof, _ = insecure
    (matrix, *matrices), *phases = proof.openings
    query, *queries = proof.queries
    opening, *openings = query.phases
    if part == "matrices":
        forged = replace(proof, openings=(change((matrix, *matrices)), *phases))
    elif part in {"current", "next"}:
        changed = OpenedMatrix(
            change(matrix.current) if part == "current" else matrix.current,
            change(matrix.next) if part == "next" else matrix.next,
        )
        forged = replace(proof, openings=((changed, *matrices), *phases))
    elif part in {"phases", "folds"}:
        forged = replace(proof, queries=(replace(query, **{part: change(getattr(query, part))}), *queries))
    else:
        if part == "row":
            row, *rows = opening.rows
            opening = replace(opening, rows=(change(row), *rows))
        else:
            opening = replace(opening, **{part: change(getattr(opening, part))})
        forged = replace(proof, queries=(replace(query, phases=(opening, *openings)), *queries))
    refusal = refusal_of(lambda: verify_messages(key, statement, forged, accept_insecure=True))
    assert refusal.reason is Reason.SHAPE


@pytest.mark.parametrize("statement", [[], [1, 2]])
def test_a_statement_of_another_length_is_refused(insecure: Made, statement: list[int]) -> None:
    key, _, proof, _ = insecure
    refusal = refusal_of(lambda: verify_messages(key, statement, proof, accept_insecure=True))
    assert refusal.reason is Reason.WRONG_STATEMENT_LENGTH
    assert refusal.detail == f"the statement has {len(statement)} values, not 1"
