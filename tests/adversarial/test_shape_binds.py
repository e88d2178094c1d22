"""Lengths are the key's, and every matrix is tested at a point (lines 12, 16, 26 and 27).

A verifier that lets the proof say how long something is would be fooled: each forgery is shown to that verifier too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prover.air.builder import AirBuilder
from prover.air.table import Extension
from prover.air.tape import Sources
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import Montgomery, encode
from prover.fri.verifier import DeepInput
from prover.ntt import low_degree_extension
from prover.stark.circuit import Circuit, CircuitError, define_circuit
from prover.stark.encoding import NumberProof
from prover.stark.key import VerificationKey
from prover.stark.numbers import Number, Quintic, canonical
from prover.stark.proving_key import ProvingKey
from prover.stark.shape import Phase, Shape
from prover.stark.verifier import Verification
from prover.stark.verify import check_shape, lift_proof
from prover.transcript import KeccakTranscript
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    Openings,
    WeakArithmetic,
    assert_refused_by_one_check,
    honest_proof,
    proving_key,
    verdict,
    weak_parameters,
    weak_verdict,
)

FALSE_TRACE = specimen.counter_trace(3, step=5)
LENGTHS = Reason.SHAPE
"""The one check on the lengths of everything that a proof holds."""


@pytest.fixture(scope="module")
def key() -> ProvingKey:
    return proving_key(specimen.counter_circuit(), (3,))


def shape_with(folds: int, arity: int) -> Shape:
    """The counter's shape if it were folded so often, by so much."""
    parameters = weak_parameters(log_fold_arity=arity, log_final_length=max(3 - folds * arity, 0))
    return proving_key(specimen.counter_circuit(), (3,), (), parameters).verification.shape


class FoldsAsTheProofSays(Verification):
    """A verifier that learns from the proof how it is folded."""

    def __init__(self, shape: Shape, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.shape = shape


def verdict_of(
    make: Callable[..., Verification],
    key: VerificationKey,
    proof: NumberProof,
    ignoring: Sequence[Reason] = (),
) -> Reason | None:
    """What a verifier of another kind says."""
    public: list[Number] = []
    arithmetic = WeakArithmetic(key.parameters, ignoring, KeccakTranscript)
    try:
        make(arithmetic, key, key.preprocessed_root, public, lift_proof(proof)).run()
    except ProofRefused as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize(("folds", "arity"), [(0, 1), (1, 2), (1, 3)])
def test_another_number_or_arity_of_folds_is_refused_and_would_be_accepted_where_the_proof_chose(
    key: ProvingKey, folds: int, arity: int
) -> None:
    """Line 12. Not folded at all, a final polynomial as long as the word is any word: a false trace passes."""
    shape = shape_with(folds, arity)
    assert (len(shape.folds), shape.log_final_length) != (2, 1)

    class FoldsOtherwise(Forging):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.shape = shape

        def alter_openings(self, openings: Openings) -> Openings:
            return self.claim_what_the_constraints_ask_for(openings)

        def alter_final(self, final: tuple[Extension, ...], word: Montgomery) -> tuple[Extension, ...]:
            """As many coefficients as the last word has values: every word is a polynomial of that degree."""
            _, blowup, height = word.shape
            natural = np.ascontiguousarray(word.transpose(0, 2, 1)).reshape(5, 1, blowup * height)
            return interpolated(natural)

    forged = FoldsOtherwise(key, FALSE_TRACE).run().messages
    assert verdict(key.verification, [], forged) is LENGTHS
    fooled = verdict_of(lambda *arguments: FoldsAsTheProofSays(shape, *arguments), key.verification, forged)
    assert fooled is None


def interpolated(natural: Montgomery) -> tuple[Extension, ...]:
    """The coefficients of an extension polynomial with these values at the powers of a root."""
    from prover.domain import interpolate_on_subgroup
    from prover.field.koalabear import decode

    values = decode(natural).reshape(5, -1)
    return tuple(zip(*(interpolate_on_subgroup(plane.tolist()) for plane in values), strict=True))


class LeavesOnePhaseOut(Verification):
    """A verifier whose low-degree test leaves the matrices of one phase out: they are opened at no point."""

    phase = "quotient"

    def _deep_inputs(self) -> dict[int, DeepInput]:
        names = [phase.name for phase in self.shape.phases]
        inputs = super()._deep_inputs()
        for deep in inputs.values():
            for columns in (deep.current, deep.next):
                columns[:] = [entry for entry in columns if names[entry[0]] != self.phase]
        return {height: self._claimed_again(deep) for height, deep in inputs.items()}

    def _claimed_again(self, deep: DeepInput) -> DeepInput:
        opened = self.proof.openings
        claims = [self._lift(0), self._lift(0)]
        for phase, matrix, column, power in deep.current:
            claims[0] = claims[0] + power * opened[phase][matrix].current[column]
        for phase, matrix, column, power in deep.next:
            place = self.shape.phases[phase].matrices[matrix].next_columns.index(column)
            claims[1] = claims[1] + power * opened[phase][matrix].next[place]
        return DeepInput(
            deep.log_height,
            deep.point,
            deep.next_point,
            deep.current,
            claims[0],
            deep.next,
            claims[1],
        )


def test_a_matrix_that_enters_the_low_degree_test_at_no_point_could_be_claimed_at_will(
    key: ProvingKey,
) -> None:
    """Line 16. The forger claims whatever the constraints ask for, and leaves the quotient out of its words."""

    class OpensTheQuotientNowhere(Forging):
        def alter_openings(self, openings: Openings) -> Openings:
            return self.claim_what_the_constraints_ask_for(openings)

        def _deep_words(self, openings: Openings, batching: Extension) -> dict[int, Montgomery]:
            phases = self.shape.phases
            assert [phase.name for phase in phases] == ["main", "quotient"]
            only_main = Shape(**{name: getattr(self.shape, name) for name in SHAPE_FIELDS})
            only_main.__dict__["phases"] = phases[:1]
            whole, self.shape = self.shape, only_main
            try:
                return super()._deep_words(openings[:1], batching)
            finally:
                self.shape = whole

    forged = OpensTheQuotientNowhere(key, FALSE_TRACE).run().messages
    assert verdict(key.verification, [], forged) is Reason.FOLD_INCONSISTENT
    assert verdict_of(LeavesOnePhaseOut, key.verification, forged) is None
    # That verifier is fooled by nothing else: an honest word of the quotient too is more than it expects.
    honest = honest_proof(key, specimen.counter_trace(3))
    assert verdict_of(LeavesOnePhaseOut, key.verification, honest) is Reason.FOLD_INCONSISTENT


SHAPE_FIELDS = ("parameters", "tables", "log_heights", "rounds", "bus_round", "public_count")


LONG_BEAT = tuple(range(16))


def beat_circuit() -> Circuit:
    """A column that is to be 0, 1, 2, .., 15 again and again."""

    def constrain(air: AirBuilder) -> None:
        air.assert_equal("the cell is the periodic one", air.column("cell"), air.periodic("beat", LONG_BEAT))

    return define_circuit("long-beat", [("long-beat", constrain)])


def test_a_periodic_column_longer_than_its_table_is_no_key_and_would_mean_other_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line 26. Eight rows of a beat of sixteen: the verifier would read every second value of it."""
    with pytest.raises(CircuitError, match="periodic column beat is longer than the table"):
        proving_key(beat_circuit(), (3,))
    monkeypatch.setattr("prover.stark.key.check_heights", lambda *_: None)
    weak = proving_key(beat_circuit(), (3,))

    class ReadsEverySecond(Forging):
        def _coset_sources(self, table: int, coset: int, shift: int) -> Sources:
            whole = self.shape
            self.shape = replace(whole, tables=(replace(whole.tables[table], periodic=()),))
            sources = super()._coset_sources(table, coset, shift)
            self.shape = whole
            beat = low_degree_extension(encode(np.array([LONG_BEAT])), 0, threads=1, shift=shift)
            return replace(sources, periodic=[np.ascontiguousarray(beat[0, 0, ::2])])

    every_second = encode(np.array([LONG_BEAT[::2]]))
    forged = ReadsEverySecond(weak, [every_second]).run().messages
    assert verdict(weak.verification, [], forged) is None
    # The rows that the circuit means are refused instead.
    meant = encode(np.array([LONG_BEAT[:8]]))
    honest = ReadsEverySecond(weak, [meant]).run().messages
    assert verdict(weak.verification, [], honest) is Reason.CONSTRAINTS_DO_NOT_HOLD


def test_a_longer_preprocessed_column_is_no_key_and_would_be_no_key_that_anything_verifies_under(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line 26. The length is checked where the key is made; behind it the tree of another height refuses."""
    content = encode(np.arange(16))[None, :]
    with pytest.raises(CircuitError, match="the preprocessed matrix is"):
        proving_key(specimen.lookup_circuit(), (2, 3), [None, content])
    monkeypatch.setattr("prover.stark.proving_key.check_matrix", lambda *_: None)
    weak = proving_key(specimen.lookup_circuit(), (2, 3), [None, content])
    tree: Phase | None = weak.verification.shape.phase("preprocessed")
    assert tree is not None
    assert tree.log_height == 3
    assert weak.preprocessed_commitment is not None
    assert weak.preprocessed_commitment.tree.shape.log_size == 4 + 2
    # A prover has no rows of eight to evaluate constraints on.
    with pytest.raises(ValueError, match="the preprocessed columns have 16 rows of 8"):
        honest_proof(weak, specimen.lookup_traces([1, 2, 3, 4]))
    assert (
        weak.verification.digest
        != proving_key(specimen.lookup_circuit(), (2, 3), specimen.lookup_preprocessed()).verification.digest
    )


class MakesUpForTheRest(Forging):
    """Claims a sum for a table without buses: what is missing in the sums of the others."""

    def _fill_round(self, round: int) -> dict[int, Montgomery]:
        filled = super()._fill_round(round)
        if round == self.shape.bus_round:
            total = Quintic([0] * 5)
            for bus_sum in self.bus_sums:
                total = total + Quintic(bus_sum)
            self.bus_sums.append(canonical(Quintic([0] * 5) - total))
        return filled

    def _constants(self, *arguments: Any, **named: Any) -> Any:
        told = self.bus_sums
        self.bus_sums = told[: len(self.shape.bus_tables)]
        try:
            return super()._constants(*arguments, **named)
        finally:
            self.bus_sums = told


def test_a_bus_sum_of_a_table_without_buses_is_refused_and_would_make_up_for_any_message() -> None:
    """Line 27. A number that is looked up and provided by nobody, made up for by the sum of a third table."""
    key = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())
    traces = specimen.fill()
    height = traces[1].shape[1]
    traces[1] = encode(np.zeros((1, height), np.int64))
    unbalanced = honest_proof(key, traces, specimen.STATEMENT)
    assert verdict(key.verification, specimen.STATEMENT, unbalanced) is Reason.BUS_SUMS_DO_NOT_BALANCE
    forged = MakesUpForTheRest(key, traces, specimen.STATEMENT).run().messages
    assert len(forged.bus_sums) == 3
    assert_refused_by_one_check(key.verification, specimen.STATEMENT, forged, LENGTHS)
    # The check on lengths is what refuses, and it refuses nothing that is of the right length.
    check_shape(key.verification, unbalanced)
    assert weak_verdict(key.verification, specimen.STATEMENT, unbalanced) is Reason.BUS_SUMS_DO_NOT_BALANCE
