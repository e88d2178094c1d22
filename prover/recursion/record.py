"""Run the verifier on wires and keep what it did as a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prover.recursion.program import VECTOR, Program, ProgramError
from prover.recursion.simplify import simplify
from prover.recursion.wire_arithmetic import WireArithmetic
from prover.recursion.wires import Recorder, Scalar, Sibling, Vector
from prover.stark.key import VerificationKey
from prover.stark.proof import OpenedMatrix, Proof, Query, TreeOpening
from prover.stark.shape import EXTENSION_DEGREE, Phase
from prover.stark.verifier import Verification

DIGEST_LIMBS = 16
"""Limbs of 16 bits of a key's digest."""


@dataclass(frozen=True, slots=True)
class Takers:
    """How to make each kind of value of a proof."""

    base: Callable[[], Any]
    extension: Callable[[], Any]
    root: Callable[[], Any]
    sibling: Callable[[], Any]


def build_proof(key: VerificationKey, take: Takers) -> Proof[Any, Any, Any]:
    """A proof of the key's shape out of taken values: the one place that says in which order they are taken."""
    shape = key.shape
    log_blowup = key.parameters.log_blowup

    def times(taker: Callable[[], Any], count: int) -> tuple[Any, ...]:
        return tuple(taker() for _ in range(count))

    def opening(tree: Phase) -> TreeOpening[Any, Any]:
        rows = tuple(times(take.base, matrix.columns) for matrix in tree.matrices)
        return TreeOpening(rows, times(take.sibling, tree.log_height + log_blowup))

    committed = [phase for phase in shape.phases if phase.name != "preprocessed"]
    return Proof(
        times(take.root, len(committed)),
        times(take.extension, len(shape.bus_tables)),
        tuple(
            tuple(
                OpenedMatrix(
                    times(take.extension, matrix.columns), times(take.extension, len(matrix.next_columns))
                )
                for matrix in phase.matrices
            )
            for phase in shape.phases
        ),
        times(take.root, len(shape.folds)),
        times(take.extension, 1 << shape.log_final_length),
        times(take.base, shape.nonce_count),
        tuple(
            Query(
                tuple(opening(tree) for tree in shape.phases),
                tuple(opening(tree) for tree in shape.trees[len(shape.phases) :]),
            )
            for _ in range(key.parameters.queries)
        ),
    )


Flat = tuple[list[int], list[Sequence[int]], list[Sequence[int]]]


def flatten_proofs(proofs: Sequence[Proof[int, Any, Any]]) -> Flat:
    """Base field elements, roots and siblings of all proofs, one proof after the other."""
    parts = [flatten_proof(proof) for proof in proofs]
    return (
        [element for elements, _, _ in parts for element in elements],
        [root for _, roots, _ in parts for root in roots],
        [sibling for _, _, siblings in parts for sibling in siblings],
    )


def flatten_proof(proof: Proof[int, Any, Any]) -> Flat:
    """Base field elements, roots and siblings of a proof, in the order of `build_proof`."""
    elements: list[int] = []
    siblings: list[Sequence[int]] = []

    def put(values: Iterable[Sequence[int]]) -> None:
        for value in values:
            elements.extend(value)

    put(proof.bus_sums)
    for phase in proof.openings:
        for matrix in phase:
            put((*matrix.current, *matrix.next))
    put(proof.final_polynomial)
    elements.extend(proof.nonces)
    for query in proof.queries:
        for opening in (*query.phases, *query.folds):
            put(opening.rows)
            siblings.extend(opening.path)
    return elements, [*proof.roots, *proof.fold_roots], siblings


IDENTITY_LENGTH = DIGEST_LIMBS + VECTOR
"""Public values that say which key the inner proof is under: its digest's limbs, and its preprocessed root."""


def identity_of(key: VerificationKey) -> tuple[int, ...]:
    """What a program that forwards its inner key says of it."""
    if not isinstance(key.preprocessed_root, tuple):
        raise ValueError("only a key with a preprocessed root over Poseidon can be forwarded")
    return *key.digest_limbs, *key.preprocessed_root


def record_verifiers(
    keys: Sequence[VerificationKey], *, forwards_keys: bool = False, slots: int | None = None
) -> Program:
    """The program of verifying one proof under each key, in order.

    Its public values are the inner statements, each after its key's identity where that is forwarded.
    With more slots than keys, all public values of the slots behind the last key are zero.
    Forwarded, digest and root are public values, and the program is the same for all keys of one circuit and shape.
    Else they are constants of the program.
    Soundness: either way the root is fixed before the inner proof is; one that the prover chose could be any program's.
    """
    lengths = [(IDENTITY_LENGTH if forwards_keys else 0) + key.shape.public_count for key in keys]
    empty = (len(keys) if slots is None else slots) - len(keys)
    if empty < 0 or (empty and len(set(lengths)) != 1):
        raise ProgramError(f"{len(keys)} proofs do not fit into {slots} slots of one length")
    recorder = Recorder(sum(lengths), empty * lengths[0])
    publics = [Scalar(recorder, number=number) for number in recorder.publics]
    for key, length in zip(keys, lengths, strict=True):
        _record_one(recorder, key, publics[:length], forwards_key=forwards_keys)
        publics = publics[length:]
    recorder.bind_publics()
    # Soundness: an input that is not hashed could be chosen after every challenge.
    if recorder.unwritten_inputs():
        raise ProgramError("the verifier does not hash every value of the proof")
    zero, one = recorder.base(0).wire, recorder.base(1).wire
    return Program(
        tuple(simplify(recorder.instructions, zero, one)),
        recorder.scalar_count,
        recorder.vector_count,
        tuple(recorder.inputs),
        tuple(recorder.vector_inputs),
        recorder.sibling_count,
        tuple(recorder.publics),
        empty * lengths[0],
        zero,
    )


def _record_one(
    recorder: Recorder, key: VerificationKey, publics: Sequence[Scalar], *, forwards_key: bool
) -> None:
    """Run the verifier of one key on inputs of their own."""
    arithmetic = WireArithmetic(recorder, key.parameters)

    def take_extension() -> Scalar:
        coordinates = [recorder.input() for _ in range(EXTENSION_DEGREE)]
        value = recorder.extension(coordinates)
        arithmetic.wire_challenger.coordinates[value.wire] = coordinates
        return value

    takers = Takers(recorder.input, take_extension, recorder.input_vector, recorder.input_sibling)
    proof: Proof[Scalar, Scalar, Vector | Sibling] = build_proof(key, takers)
    digest, root = None, None
    if forwards_key:
        identity_of(key)
        digest = publics[:DIGEST_LIMBS]
        root = Vector(recorder, recorder.vector_of(publics[DIGEST_LIMBS:IDENTITY_LENGTH]))
        publics = publics[IDENTITY_LENGTH:]
    elif isinstance(key.preprocessed_root, tuple):
        elements = [recorder.base(element) for element in key.preprocessed_root]
        root = Vector(recorder, recorder.vector_of(elements))
    Verification(arithmetic, key, root, publics, proof, digest).run()
