"""What is received was sent, once for once (lines 28 to 36)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from prover.air.builder import AirBuilder
from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import Expression, lift
from prover.air.logup import with_bus_argument
from prover.air.table import Table
from prover.air.tape import Tape
from prover.errors import Reason
from prover.field.koalabear import PRIME, Montgomery, encode, inverse
from prover.stark.circuit import Circuit, CircuitError, check_circuit, define_circuit
from prover.stark.key import VerificationKey, make_verification_key
from prover.stark.numbers import Quintic, canonical
from prover.stark.proving_key import ProvingKey
from prover.stark.shape import EXTENSION_DEGREE
from prover.transcript import Label
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    DeafTranscript,
    Forging,
    assert_refused_by_one_check,
    honest_proof,
    proving_key,
    verdict,
    weak_parameters,
    weak_verdict,
)

UNBALANCED = Reason.BUS_SUMS_DO_NOT_BALANCE
FALSE = Reason.CONSTRAINTS_DO_NOT_HOLD
SINGLES = Bus("singles", identifier=3, arity=1)


def two_tables(
    constrain_sender: Callable[[AirBuilder], None], constrain_receiver: Callable[[AirBuilder], None]
) -> Circuit:
    return define_circuit("exchange", [("sender", constrain_sender), ("receiver", constrain_receiver)])


def sends(air: AirBuilder) -> None:
    value, is_used = air.columns("value", "is used")
    air.send(SINGLES, [value], when=is_used)


def receives(air: AirBuilder) -> None:
    value, is_used = air.columns("value", "is used")
    air.receive(SINGLES, [value], when=is_used)


def rows(*pairs: tuple[int, int]) -> Montgomery:
    """Rows of value and count."""
    return encode(np.array(pairs, dtype=np.int64).T % PRIME)


@pytest.fixture(scope="module")
def key() -> ProvingKey:
    return proving_key(two_tables(sends, receives), (1, 1))


def test_an_exchange_in_another_order_is_accepted(key: ProvingKey) -> None:
    traces = [rows((5, 1), (6, 1)), rows((6, 1), (5, 1))]
    assert verdict(key.verification, [], honest_proof(key, traces)) is None


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (rows((5, 1), (6, 1)), rows((5, 1), (6, 0))),
        (rows((5, 1), (6, 0)), rows((5, 1), (6, 1))),
        (rows((5, 1), (5, 1)), rows((5, 1), (6, 1))),
        (rows((5, 1), (0, 1)), rows((5, 1), (0, 0))),
        (rows((0, 0), (0, 0)), rows((0, 0), (0, 1))),
    ],
    ids=["sent_only", "received_only", "twice_for_once", "padding_that_sends", "padding_that_receives"],
)
def test_a_message_on_one_side_only_is_refused(
    key: ProvingKey, sent: Montgomery, received: Montgomery
) -> None:
    forged = honest_proof(key, [sent, received])
    assert_refused_by_one_check(key.verification, [], forged, UNBALANCED)


class FalseBusSum(Forging):
    """Claims bus sums that add up to zero, though the fractions do not."""

    def _fill_round(self, round: int) -> dict[int, Montgomery]:
        filled = super()._fill_round(round)
        first = self.bus_sums[0]
        self.bus_sums[1] = canonical(Quintic([0] * EXTENSION_DEGREE) - Quintic(first))
        return filled


def test_a_claimed_sum_that_the_fractions_do_not_have_is_refused(key: ProvingKey) -> None:
    forged = FalseBusSum(key, [rows((5, 1), (6, 1)), rows((5, 1), (7, 1))]).run().messages
    assert_refused_by_one_check(key.verification, [], forged, FALSE)


def test_a_count_that_is_not_zero_or_one_is_refused(key: ProvingKey) -> None:
    """5 is received minus once and plus twice: on balance nothing was wrong but the counts."""
    forged = honest_proof(key, [rows((5, 1), (6, 0)), rows((5, 2), (5, -1))])
    assert_refused_by_one_check(key.verification, [], forged, FALSE)


def counted(air: AirBuilder, direction: Direction, count: Expression | int, weight: int) -> None:
    """An interaction past the builder's own checks, for circuits that no author can write."""
    value = air.column("value")
    air._interactions.append(Interaction(SINGLES, direction, (value,), lift(count), weight))


def unchecked_key(
    tables: Sequence[tuple[str, Callable[[AirBuilder], None]]], heights: tuple[int, ...]
) -> ProvingKey:
    """A key of a circuit that `make_verification_key` would refuse."""
    built = []
    for name, constrain in tables:
        air = AirBuilder(name)
        constrain(air)
        built.append(air.build())
    base = proving_key(two_tables(sends, receives), heights)
    circuit = Circuit("unchecked", tuple(built))
    verification = VerificationKey(circuit, heights, weak_parameters(), None)
    tapes = tuple(Tape.compile([table.combination]) for table in verification.shape.tables)
    return replace(base, verification=verification, tapes=tapes)


def test_weights_that_nothing_binds_would_let_a_message_cancel_itself() -> None:
    """The same as above, in a circuit whose receiver forgot that its counts are zero or one."""

    def receives_freely(air: AirBuilder) -> None:
        value, count = air.columns("value", "count")
        air._interactions.append(Interaction(SINGLES, Direction.RECEIVE, (value,), count, weight=1))

    lax = unchecked_key([("sender", sends), ("receiver", receives_freely)], (1, 1))
    forged = honest_proof(lax, [rows((5, 1), (6, 0)), rows((5, 2), (5, -1))])
    assert verdict(lax.verification, [], forged) is None


def test_multiplicities_that_wrap_the_prime_are_refused() -> None:
    """5 is sent p times in all and never received."""

    def sends_p_times(air: AirBuilder) -> None:
        counted(air, Direction.SEND, PRIME - 1, PRIME - 1)
        counted_again = air.column("second value")
        air.assert_zero("both values are the same", counted_again - air._interactions[0].values[0])
        air._interactions.append(Interaction(SINGLES, Direction.SEND, (counted_again,), lift(1), 1))

    tables = [("sender", sends_p_times), ("receiver", receives)]
    lax = unchecked_key(tables, (0, 0))
    with pytest.raises(CircuitError) as refusal:
        make_verification_key(lax.verification.circuit, (0, 0), weak_parameters())
    assert str(refusal.value) == (
        f"bus singles could carry {PRIME + 1} messages, which is not below the prime {PRIME}"
    )
    forged = honest_proof(lax, [encode(np.array([[5], [5]])), rows((0, 0))])
    assert verdict(lax.verification, [], forged) is None


def test_a_circuit_whose_receivers_may_choose_their_counts_has_no_bounded_receiver() -> None:
    """A row that provides 6 minus once would make up for a row that receives 6, which nobody sent."""

    def receives_and_provides(air: AirBuilder) -> None:
        value, is_used = air.columns("value", "is used")
        air.receive(SINGLES, [value], when=is_used)
        provided, count = air.columns("provided", "count")
        air.provide(SINGLES, [provided], count)

    tables = [("sender", sends), ("receiver", receives_and_provides)]
    lax = unchecked_key(tables, (1, 1))
    forged = honest_proof(
        lax, [rows((5, 1), (5, 0)), encode(np.array([[6, 0], [1, 0], [6, 5], [PRIME - 1, 1]]))]
    )
    assert verdict(lax.verification, [], forged) is None
    with pytest.raises(CircuitError) as refusal:
        check_circuit(lax.verification.circuit)
    assert str(refusal.value) == "bus singles has messages that are received and messages that are provided"


def test_a_message_is_not_received_on_another_bus() -> None:
    other = replace(SINGLES, name="other singles", identifier=4)

    def receives_elsewhere(air: AirBuilder) -> None:
        air.receive(other, [air.column("value")])
        air.send(other, [air.column("echo")])

    def sends_here(air: AirBuilder) -> None:
        air.send(SINGLES, [air.column("value")])
        air.receive(SINGLES, [air.column("echo")])

    key = proving_key(two_tables(sends_here, receives_elsewhere), (1, 1))
    honest = [encode(np.array([[5, 6], [6, 5]])), encode(np.array([[7, 8], [8, 7]]))]
    assert verdict(key.verification, [], honest_proof(key, honest)) is None
    crossed = [encode(np.array([[5, 6], [7, 8]])), encode(np.array([[5, 6], [7, 8]]))]
    assert_refused_by_one_check(key.verification, [], honest_proof(key, crossed), UNBALANCED)


def test_without_the_tag_a_message_would_be_received_on_another_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """[5] on one bus and [5, 0] on the other: identifier and arity are what tells them apart."""
    traces = [
        encode(np.array([[5, 6], [7, 8]])),
        encode(np.array([[5, 6], [0, 0], [7, 8], [0, 0]])),
    ]
    key = proving_key(one_and_two(7), (1, 1))
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), UNBALANCED)
    monkeypatch.setattr(Bus, "tag", property(lambda _bus: 1))
    # Other buses: the prover keeps the tapes of those it has seen, with their tags.
    lax = proving_key(one_and_two(9), (1, 1))
    assert verdict(lax.verification, [], honest_proof(lax, traces)) is None


def one_and_two(identifier: int) -> Circuit:
    """Messages of one value on one bus, of two values on another."""
    singles, pairs = Bus("short", identifier, arity=1), Bus("long", identifier + 1, arity=2)

    def sends_one(air: AirBuilder) -> None:
        air.send(singles, [air.column("value")])
        air.receive(singles, [air.column("echo")])

    def receives_two(air: AirBuilder) -> None:
        air.receive(pairs, [air.column("value"), air.column("second")])
        air.send(pairs, [air.column("echo"), air.column("second echo")])

    return two_tables(sends_one, receives_two)


@pytest.mark.parametrize(
    ("first", "second"),
    [([5], [5, 0]), ([5, 6], [6, 5]), ([1, 0], [0, 1]), ([0], [0, 0])],
    ids=["padded", "swapped", "shifted", "zeros"],
)
def test_messages_of_other_length_or_order_have_other_fingerprints(
    first: list[int], second: list[int]
) -> None:
    """With one identifier, which no circuit may give to two buses, the arity alone tells lengths apart."""
    chi, tau = 1234567, 7654321

    def fingerprint(values: list[int]) -> int:
        bus = Bus("one", identifier=1, arity=len(values))
        return (chi - bus.tag - sum(pow(tau, i, PRIME) * v for i, v in enumerate(values, 1))) % PRIME

    assert fingerprint(first) != fingerprint(second)


class BaseFieldChallenges(DeafTranscript):
    """A transcript that draws the bus challenges from the base field and before it hears the columns."""

    def __init__(self) -> None:
        super().__init__(deaf_to=[Label.MAIN])

    def copy(self) -> BaseFieldChallenges:
        other = BaseFieldChallenges()
        other.state, other.squeezed_blocks = self.state, self.squeezed_blocks
        return other

    def challenge_extension(self, label: Label) -> tuple[int, ...]:
        drawn = super().challenge_extension(label)
        return (drawn[0], 0, 0, 0, 0) if label is Label.CHALLENGE_ROUND else drawn


class ZeroDenominators(Forging):
    """Sends one message twice whose fingerprint is zero: 0 / 0 may be anything, so also what balances a lie."""

    def receive_the_trace(self) -> None:
        (chi, *_), (tau, *_) = self.peek((Label.GRIND_CHALLENGE_ROUND, 0, Label.CHALLENGE_ROUND, 2))
        value = (chi - SINGLES.tag) * inverse(tau) % PRIME
        self.traces = (encode(np.array([[value, 5], [value, 5]])), self.traces[1])
        super().receive_the_trace()

    def _fill_round(self, round: int) -> dict[int, Montgomery]:
        table = self.shape.tables[0]
        (chi, *_), (tau, *_) = self.challenges[0]
        denominators = [(chi - SINGLES.tag - tau * v) % PRIME for v in (5, 9, 9)]
        five, *nines = (inverse(d) for d in denominators)
        honest_part, wanted = 2 * five % PRIME, sum(nines) % PRIME
        # Row 0 takes whatever is missing; the running sum starts at zero and comes back to it.
        share = wanted * inverse(2) % PRIME
        assert len(table.challenge_names(1)) == 1
        step_of_row_1 = (honest_part - share) % PRIME
        running = np.zeros((2 * EXTENSION_DEGREE // 2, 2), dtype=np.int64)
        running[0] = [0, (PRIME - step_of_row_1) % PRIME]
        self.bus_sums = [(wanted, 0, 0, 0, 0), ((PRIME - wanted) % PRIME, 0, 0, 0, 0)]
        received = np.zeros((EXTENSION_DEGREE, 2), dtype=np.int64)
        received_share = (PRIME - wanted) * inverse(2) % PRIME
        received[0] = [0, (-nines[0] - received_share) % PRIME]
        return {0: encode(running), 1: encode(received)}


def test_zero_denominators_would_need_challenges_that_are_known_or_small() -> None:
    """The columns are bound first, and a challenge of the extension is never hit by base field values."""

    def sends_twice(air: AirBuilder) -> None:
        air.send(SINGLES, [air.column("value")])
        air.send(SINGLES, [air.column("same value")])

    def receives_once(air: AirBuilder) -> None:
        air.receive(SINGLES, [air.column("value")])

    key = proving_key(two_tables(sends_twice, receives_once), (1, 1))
    traces = [np.zeros((2, 2), dtype=np.uint32), encode(np.array([[9, 9]]))]
    forged = ZeroDenominators(key, traces, (), BaseFieldChallenges).run().messages
    assert weak_verdict(key.verification, [], forged, make_transcript=BaseFieldChallenges) is None
    assert verdict(key.verification, [], forged) is FALSE


@pytest.mark.parametrize("heights", [(0, 3), (2, 3), (5, 3)])
@pytest.mark.parametrize("stranger", [8, PRIME - 1, 1 << 20])
def test_a_number_that_the_table_does_not_hold_is_refused(heights: tuple[int, int], stranger: int) -> None:
    key = proving_key(specimen.lookup_circuit(), heights, specimen.lookup_preprocessed())
    numbers = [i % 8 for i in range(1 << heights[0])]
    assert verdict(key.verification, [], honest_proof(key, specimen.lookup_traces(numbers))) is None
    forged = honest_proof(key, specimen.lookup_traces([stranger, *numbers[1:]]))
    assert_refused_by_one_check(key.verification, [], forged, UNBALANCED)


def test_the_last_row_counts() -> None:
    """The running sum is cyclic, so a message on the last row is not left out."""
    key = proving_key(specimen.lookup_circuit(), (3, 3), specimen.lookup_preprocessed())
    forged = honest_proof(key, specimen.lookup_traces([1, 2, 3, 4, 5, 6, 7, 8]))
    assert_refused_by_one_check(key.verification, [], forged, UNBALANCED)


def test_the_bus_argument_adds_columns_and_rules_to_tables_with_messages_only() -> None:
    (steps, numbers, pairs) = specimen.circuit().tables
    assert with_bus_argument(pairs, 3, 3) is pairs
    widened: list[Table] = [with_bus_argument(table, 3, 3) for table in (steps, numbers)]
    assert [len(table.challenge_names(3)) for table in widened] == [1, 1]
