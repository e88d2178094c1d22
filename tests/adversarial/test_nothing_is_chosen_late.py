"""Every message is fixed before the challenge that tests it (lines 1, 3 and 4 of what a verifier must refuse).

Each forger looks ahead at the challenge and then chooses the message which that challenge is to test.
Where the transcript hears the message, the challenge has changed by then, and the forgery is refused.
Where prover and verifier alike are deaf to it, the forgery is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.examples import shuffle
from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.air.table import Extension
from prover.domain import Domain
from prover.errors import Reason
from prover.field.extension import QUINTIC
from prover.field.koalabear import PRIME, Montgomery, decode, encode, inverse, power, root_of_unity
from prover.stark.circuit import define_circuit
from prover.stark.evaluation import PointWeights
from prover.stark.numbers import Quintic, canonical, invert
from prover.stark.proof import OpenedMatrix
from prover.stark.proving_key import ProvingKey
from prover.stark.shape import EXTENSION_DEGREE
from prover.transcript import Label
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    Openings,
    add_to_opening,
    deaf,
    proving_key,
    verdict,
    weak_parameters,
    weak_verdict,
)


def assert_chosen_too_late(
    forger: type[Forging], key: ProvingKey, traces: Sequence[Montgomery], label: Label, reason: Reason
) -> None:
    """The forger fails with the reason, and succeeds where nobody hears what goes in under the label."""
    forged = forger(key, traces).run().messages
    assert verdict(key.verification, [], forged) is reason
    unheard = forger(key, traces, (), deaf(label)).run().messages
    assert weak_verdict(key.verification, [], unheard, make_transcript=deaf(label)) is None
    assert verdict(key.verification, [], unheard) is not None


def solve(columns: Sequence[Sequence[int]], target: Sequence[int]) -> list[int]:
    """One solution of a linear system over the base field, as many unknowns as columns."""
    rows = [[column[k] for column in columns] + [target[k]] for k in range(len(target))]
    pivots: list[int] = []
    for row in range(len(rows)):
        pivot = next(c for c in range(len(columns)) if rows[row][c])
        pivots.append(pivot)
        scale = inverse(rows[row][pivot])
        rows[row] = [value * scale % PRIME for value in rows[row]]
        for other in range(len(rows)):
            if other != row:
                factor = rows[other][pivot]
                rows[other] = [(a - factor * b) % PRIME for a, b in zip(rows[other], rows[row], strict=True)]
    solution = [0] * len(columns)
    for row, pivot in enumerate(pivots):
        solution[pivot] = rows[row][-1]
    return solution


class CountsAfterTheBusChallenges(Forging):
    """Sends a number that is not small, and counts small ones so that the fractions add up at the challenges."""

    def receive_the_trace(self) -> None:
        chi, tau = map(Quintic, self.peek((Label.GRIND_CHALLENGE_ROUND, 0, Label.CHALLENGE_ROUND, 2)))
        sent = decode(self.traces[0])[0].tolist()

        def fraction(number: int) -> Quintic:
            return invert(chi - (tau * number + specimen.SMALL.tag), Reason.SHAPE)

        total = Quintic([0] * EXTENSION_DEGREE)
        for number in sent:
            total = total + fraction(number)
        provided = [canonical(fraction(number)) for number in range(1 << specimen.LOG_NUMBERS)]
        counts = solve(provided, canonical(total))
        self.traces = (self.traces[0], encode(np.array(counts))[None, :])
        super().receive_the_trace()


def test_the_main_columns_are_bound_before_the_bus_challenges() -> None:
    key = proving_key(specimen.lookup_circuit(), (2, 3), specimen.lookup_preprocessed())
    traces = specimen.lookup_traces([1, 2, 7, 1_000_000])
    reason = Reason.BUS_SUMS_DO_NOT_BALANCE
    assert_chosen_too_late(CountsAfterTheBusChallenges, key, traces, Label.MAIN, reason)


class ProductAfterTheCombiner(Forging):
    """Fills the running product of columns that do not agree so that its constraints cancel each other on row 0."""

    def _fill_own_columns(self, index: int, round: int) -> Montgomery:
        ((shift,),) = self.challenges
        (combiner,) = self.peek((Label.GRIND_CONSTRAINT, 0, Label.CONSTRAINT, 1))
        left, right = (decode(column).tolist() for column in self.traces[0])
        height = len(left)
        field = QUINTIC

        def minus(value: int) -> tuple[int, ...]:
            return field.subtract(shift, field.from_base(value))

        ratios = [field.multiply(minus(a), field.inverse(minus(b))) for a, b in zip(left, right, strict=True)]
        tail = field.inverse(minus(right[0]))
        for ratio in ratios[1:]:
            tail = field.multiply(tail, ratio)
        # Row 0: height (p0 - 1) + combiner (p1 (shift - r0) - p0 (shift - l0)) = 0, where p0 = p1 * later ratios.
        slack = field.multiply(field.from_base(height), field.inverse(combiner))
        slope = field.subtract(field.multiply(field.subtract(minus(left[0]), slack), tail), field.one)
        first = field.multiply(field.subtract(field.zero, field.multiply(slack, tail)), field.inverse(slope))
        second = field.multiply(
            field.subtract(
                field.multiply(first, minus(left[0])), field.multiply(slack, field.subtract(first, field.one))
            ),
            field.inverse(minus(right[0])),
        )
        products = [first, second]
        for ratio in ratios[1:-1]:
            products.append(field.multiply(products[-1], ratio))
        return encode(np.array(products, dtype=np.int64).T)


def test_the_columns_of_a_challenge_round_are_bound_before_the_combiner() -> None:
    def constrain(air: AirBuilder) -> None:
        left, right = air.columns("left", "right")
        shift, product = air.challenge(1), air.challenge_column("running product", 1)
        air.on_first_row.assert_equal("the product starts at one", product, 1)
        air.assert_equal("a factor a row", product.next * (shift - right), product * (shift - left))
        air.fill_challenge_columns_with(shuffle.fill_round)

    key = proving_key(define_circuit("one-round", [("pairs", constrain)]), (3,))
    (trace,) = shuffle.fill(3, 1)
    trace[0, 5] = encode([999])[0]
    reason = Reason.CONSTRAINTS_DO_NOT_HOLD
    assert_chosen_too_late(ProductAfterTheCombiner, key, [trace], Label.CHALLENGE_ROUND, reason)


class SumsAfterTheOutOfDomainPoint(Forging):
    """Two tables break a rule by opposite amounts; each claims a bus sum that hides its own at the point."""

    def _quotient_pieces(self, table: int, combiner: Extension) -> list[Montgomery]:
        pieces = super()._quotient_pieces(table, combiner)
        broken_by = (1, PRIME - 1)[table]
        altered = []
        for position, piece in enumerate(pieces):
            shift = self._piece_shift(table, position)
            vanishing = power(shift, 1 << self.shape.log_heights[table]) - 1
            values = decode(piece).astype(np.int64)
            # The rule is the first constraint, so it enters with the power zero of the combiner.
            values[0] -= broken_by * inverse(vanishing) % PRIME
            altered.append(encode(values % PRIME))
        return altered

    def alter_openings(self, openings: Openings) -> Openings:
        wanted, claimed = self.sides_at_the_point(openings, 0)
        before = self.bus_sums[0]
        self.bus_sums[0] = canonical(Quintic(before) + 1)
        moved, _ = self.sides_at_the_point(openings, 0)
        change = (claimed - wanted) * invert(moved - wanted, Reason.SHAPE)
        self.bus_sums = [
            canonical(Quintic(before) + change),
            canonical(Quintic(self.bus_sums[1]) - change),
        ]
        return openings


def test_the_bus_sums_are_bound_before_the_out_of_domain_point() -> None:
    bus = Bus("pings", identifier=1, arity=1)

    def constrain(air: AirBuilder, *, is_sender: bool) -> None:
        five = air.column("five")
        air.assert_equal("the column is five", five, 5)
        (air.send if is_sender else air.receive)(bus, [1])

    tables = [
        ("sender", lambda air: constrain(air, is_sender=True)),
        ("receiver", lambda air: constrain(air, is_sender=False)),
    ]
    key = proving_key(define_circuit("fives", tables), (2, 2))
    traces = [encode(np.full((1, 4), five)) for five in (6, 4)]
    reason = Reason.CONSTRAINTS_DO_NOT_HOLD
    assert_chosen_too_late(SumsAfterTheOutOfDomainPoint, key, traces, Label.BUS_SUMS, reason)


class QuotientAfterTheOutOfDomainPoint(Forging):
    """Commits to the constant that the quotient should be at the point."""

    def _quotient_pieces(self, table: int, combiner: Extension) -> list[Montgomery]:
        (self.point,) = self.peek((Label.GRIND_OUT_OF_DOMAIN, 0, Label.OUT_OF_DOMAIN, 1))
        self.combiner = combiner
        weights = PointWeights(self.point, 1)
        openings = tuple(
            tuple(
                OpenedMatrix(((0, 0, 0, 0, 0),) * matrix.columns, ())
                if phase.name == "quotient"
                else self._open_matrix(phase, place, matrix, weights)
                for place, matrix in enumerate(phase.matrices)
            )
            for phase in self.shape.phases
        )
        wanted, _ = self.sides_at_the_point(openings, table)
        value = canonical(wanted)
        constant = np.repeat(encode(np.array(value))[:, None], 1 << self.shape.log_heights[table], axis=1)
        return [constant] * (1 << self.shape.log_quotient_pieces(table))


def test_the_quotient_is_bound_before_the_out_of_domain_point() -> None:
    key = proving_key(specimen.counter_circuit(), (3,))
    traces, reason = specimen.counter_trace(3, step=5), Reason.CONSTRAINTS_DO_NOT_HOLD
    assert_chosen_too_late(QuotientAfterTheOutOfDomainPoint, key, traces, Label.QUOTIENT, reason)


class OpeningsAfterTheBatchingChallenge(Forging):
    """Changes two claimed values so that the constraints hold and the combination of all columns stays the same."""

    def alter_openings(self, openings: Openings) -> Openings:
        (batching,) = self.peek((Label.GRIND_BATCHING, 0, Label.BATCHING, 1))
        wanted, claimed = self.sides_at_the_point(openings, 0)
        domain = Domain(self.shape.log_heights[0], self.parameters.log_blowup)
        first, second = domain.piece_weights(Quintic(self.point), 1)
        gap = wanted - claimed
        # Both columns are constant coordinates, five powers apart: first a + second b = gap, a + batching^5 b = 0.
        ratio = Quintic(QUINTIC.power(batching, EXTENSION_DEGREE))
        b = gap * invert(second - first * ratio, Reason.SHAPE)
        a = Quintic([0] * EXTENSION_DEGREE) - ratio * b
        changed = add_to_opening(openings, -1, 0, 0, a)
        return add_to_opening(changed, -1, 0, EXTENSION_DEGREE, b)


def test_the_openings_are_bound_before_the_batching_challenge() -> None:
    def constrain(air: AirBuilder) -> None:
        value = air.column("value")
        air.assert_zero("the value is zero, one or two", value * (value - 1) * (value - 2))

    key = proving_key(define_circuit("three-values", [("values", constrain)]), (3,))
    trace = encode(np.arange(8))[None, :]
    reason = Reason.FINAL_POLYNOMIAL_MISMATCH
    assert_chosen_too_late(OpeningsAfterTheBatchingChallenge, key, [trace], Label.OPENINGS, reason)


class WordAfterItsFoldingChallenge(Forging):
    """Chooses the second half of a word that is not low-degree so that it folds to zero."""

    def alter_openings(self, openings: Openings) -> Openings:
        return self.claim_what_the_constraints_ask_for(openings)

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        (challenge,) = self.peek((Label.GRIND_FOLDING, 0, Label.FOLDING, 1))
        _, blowup, height = word.shape
        altered = decode(word)
        log_size = self.shape.log_max_height + self.parameters.log_blowup
        for coset in range(blowup):
            for row in range(height // 2):
                point = power(root_of_unity(log_size), coset + blowup * row)
                ratio = Quintic(challenge) * inverse(point)
                here = Quintic([int(c) for c in altered[:, coset, row]])
                # here (1 + ratio) + other (1 - ratio) = 0
                other = here * (ratio + 1) * invert(ratio - 1, Reason.SHAPE)
                altered[:, coset, row + height // 2] = canonical(other)
        return encode(altered)

    def accept_positions(self, positions: Sequence[int]) -> bool:
        size = 1 << (self.shape.log_max_height + self.parameters.log_blowup)
        return all(position < size // 2 for position in positions)


def test_a_folded_word_is_bound_before_its_challenge() -> None:
    parameters = weak_parameters(queries=3, log_final_length=2)
    key = proving_key(specimen.counter_circuit(), (3,), (), parameters)
    traces, reason = specimen.counter_trace(3, step=5), Reason.FINAL_POLYNOMIAL_MISMATCH
    assert_chosen_too_late(WordAfterItsFoldingChallenge, key, traces, Label.FOLD_ROOT, reason)


class FinalPolynomialAfterThePositions(Forging):
    """Sends a line through the two values that the queries will look at."""

    def alter_openings(self, openings: Openings) -> Openings:
        return self.claim_what_the_constraints_ask_for(openings)

    def alter_final(self, final: tuple[Extension, ...], word: Montgomery) -> tuple[Extension, ...]:
        ahead = self.transcript.copy()
        ahead.absorb_nonce(Label.GRIND_QUERY, 0, 0)
        log_size = self.shape.log_max_height + self.parameters.log_blowup
        drawn = ahead.challenge_indices(Label.QUERY, self.parameters.queries, log_size)
        _, blowup, height = word.shape
        size = blowup * height
        places = [sum(bit << k for k, bit in enumerate(bits)) % size for bits in drawn]
        assert places[0] != places[1], "the two queries of this fixed run look at two places"
        xs = [power(root_of_unity(size.bit_length() - 1), n) for n in places]
        ys = [Quintic([int(c) for c in decode(word)[:, n % blowup, n // blowup]]) for n in places]
        slope = (ys[1] - ys[0]) * inverse((xs[1] - xs[0]) % PRIME)
        return canonical(ys[0] - slope * xs[0]), canonical(slope)


def test_the_final_polynomial_is_bound_before_the_positions() -> None:
    key = proving_key(specimen.counter_circuit(), (3,), (), weak_parameters(queries=2))
    traces, reason = specimen.counter_trace(3, step=5), Reason.FINAL_POLYNOMIAL_MISMATCH
    assert_chosen_too_late(FinalPolynomialAfterThePositions, key, traces, Label.FINAL_POLYNOMIAL, reason)
