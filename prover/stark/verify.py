"""Verification of proofs on numbers, as bytes or as messages: the yes, or a refusal from the closed list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.soundness import SoundnessReport
from prover.soundness.reference import rounded_down
from prover.stark.encoding import NumberProof, NumberQuery, decode_proof
from prover.stark.key import VerificationKey
from prover.stark.number_arithmetic import NumberArithmetic
from prover.stark.numbers import Number, Quintic
from prover.stark.proof import OpenedMatrix, Proof
from prover.stark.security import report_of
from prover.stark.shape import Phase
from prover.stark.verifier import Verification
from prover.transcript import number_of

DEFAULT_REQUIRED_BITS = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """A yes: what was proved, and with how many provable bits."""

    statement: tuple[int, ...]
    security: SoundnessReport


def verify(
    key: VerificationKey,
    statement: Sequence[int],
    content: bytes,
    *,
    required_bits: int = DEFAULT_REQUIRED_BITS,
    accept_insecure: bool = False,
) -> Accepted:
    """Check a proof's bytes against a key and a statement; raises ProofRefused, and nothing else, to say no."""
    decoded = decode_proof(key, content)
    if decoded.heading.statement != tuple(statement):
        raise ProofRefused(Reason.WRONG_STATEMENT, "the proof is about other public values")
    accepted, positions = _check_messages(
        key, statement, decoded.proof, required_bits=required_bits, accept_insecure=accept_insecure
    )
    # The positions only say how paths are shared; others could expand to the same paths.
    # Soundness: without this check one proof would have many encodings.
    if positions != decoded.positions:
        raise ProofRefused(
            Reason.WRONG_POSITIONS, "the encoding names other positions than the transcript draws"
        )
    return accepted


def verify_messages(
    key: VerificationKey,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    required_bits: int = DEFAULT_REQUIRED_BITS,
    accept_insecure: bool = False,
) -> Accepted:
    """Check a decoded proof, whose numbers are canonical; raises ProofRefused to say no."""
    accepted, _ = _check_messages(
        key, statement, proof, required_bits=required_bits, accept_insecure=accept_insecure
    )
    return accepted


def _check_messages(
    key: VerificationKey,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    required_bits: int,
    accept_insecure: bool,
) -> tuple[Accepted, tuple[int, ...]]:
    """The yes, and the positions that the transcript drew."""
    if len(statement) != key.shape.public_count:
        raise ProofRefused(
            Reason.WRONG_STATEMENT_LENGTH,
            f"the statement has {len(statement)} values, not {key.shape.public_count}",
        )
    if any(not 0 <= value < PRIME for value in statement):
        raise ProofRefused(Reason.NON_CANONICAL_STATEMENT, "a public value is not below the prime")
    security = _demand_bits(key, required_bits, accept_insecure=accept_insecure)
    check_shape(key, proof)
    check_canonical(key, proof)
    public = [Number(value) for value in statement]
    verification = Verification(
        NumberArithmetic(key.parameters), key, key.preprocessed_root, public, lift_proof(proof)
    )
    verification.run()
    positions = tuple(number_of([int(bit.value) for bit in position]) for position in verification.positions)
    return Accepted(tuple(statement), security), positions


def _demand_bits(key: VerificationKey, required_bits: int, *, accept_insecure: bool) -> SoundnessReport:
    if key.parameters.is_insecure and not accept_insecure:
        raise ProofRefused(
            Reason.INSECURE_PARAMETERS, f"the parameters {key.parameters.name} are for tests only"
        )
    security = report_of(key)
    if not key.parameters.is_insecure and security.minimum < required_bits:
        raise ProofRefused(
            Reason.TOO_FEW_SECURITY_BITS,
            f"the proof has {rounded_down(security.minimum)} provable bits, {required_bits} were asked for",
        )
    return security


def check_shape(key: VerificationKey, proof: NumberProof) -> None:
    """Every list of the proof has the length that the key pins."""
    shape = key.shape
    committed = [phase for phase in shape.phases if phase.name != "preprocessed"]
    log_blowup = key.parameters.log_blowup
    is_right = (
        len(proof.roots) == len(committed)
        and len(proof.bus_sums) == len(shape.bus_tables)
        and len(proof.openings) == len(shape.phases)
        and all(
            len(opened) == len(phase.matrices)
            and all(
                len(matrix.current) == expected.columns and len(matrix.next) == len(expected.next_columns)
                for matrix, expected in zip(opened, phase.matrices, strict=True)
            )
            for opened, phase in zip(proof.openings, shape.phases, strict=True)
        )
        and len(proof.fold_roots) == len(shape.folds)
        and len(proof.final_polynomial) == 1 << shape.log_final_length
        and len(proof.nonces) == shape.nonce_count
        and len(proof.queries) == key.parameters.queries
        and all(_has_shape(query, shape.trees, log_blowup) for query in proof.queries)
    )
    # Soundness: with no query, a shorter path or a longer final polynomial, less would be tested.
    if not is_right:
        raise ProofRefused(Reason.SHAPE, "a list of the proof has another length than the key gives it")


def check_canonical(key: VerificationKey, proof: NumberProof) -> None:
    """Every value is the one representative that decoding would give; v + p would be a second proof of the same."""
    values = [value for bus_sum in proof.bus_sums for value in bus_sum]
    values += [
        c for phase in proof.openings for matrix in phase for v in (*matrix.current, *matrix.next) for c in v
    ]
    values += [c for coefficient in proof.final_polynomial for c in coefficient]
    for query in proof.queries:
        values += [
            value for opening in (*query.phases, *query.folds) for row in opening.rows for value in row
        ]
    nonces_end = 1 << 64
    if key.parameters.suite.is_poseidon:
        nonces_end = PRIME
        digests = [*proof.roots, *proof.fold_roots]
        digests += [node for query in proof.queries for o in (*query.phases, *query.folds) for node in o.path]
        values += [value for digest in digests for value in digest]
    is_canonical = not values or (min(values) >= 0 and max(values) < PRIME)
    if not is_canonical or not all(0 <= n < nonces_end for n in proof.nonces):
        raise ProofRefused(
            Reason.NON_CANONICAL_ELEMENT, "a field element of the proof is not below the prime"
        )


def _has_shape(query: NumberQuery, trees: Sequence[Phase], log_blowup: int) -> bool:
    openings = (*query.phases, *query.folds)
    return len(openings) == len(trees) and all(
        len(opening.path) == tree.log_height + log_blowup
        and [len(row) for row in opening.rows] == [matrix.columns for matrix in tree.matrices]
        for opening, tree in zip(openings, trees, strict=True)
    )


def lift_proof(proof: NumberProof) -> Proof[Number, Quintic, object]:
    """The messages as values of the number arithmetic."""
    return Proof(
        proof.roots,
        tuple(Quintic(value) for value in proof.bus_sums),
        tuple(
            tuple(
                OpenedMatrix(
                    tuple(Quintic(value) for value in matrix.current),
                    tuple(Quintic(value) for value in matrix.next),
                )
                for matrix in phase
            )
            for phase in proof.openings
        ),
        proof.fold_roots,
        tuple(Quintic(value) for value in proof.final_polynomial),
        tuple(Number(nonce) for nonce in proof.nonces),
        # Rows stay integers: `gather` makes one number of a column of them, with a lane for each query.
        proof.queries,  # type: ignore[arg-type]
    )
