"""Random histories of a clearing house as batches that can be laid out: real keys, remembered transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from prover.curve.comb import fixed_points
from prover.hash.poseidon import POSEIDON16_20
from rollup.authority import TradingKey
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.codec import QueuedItem
from rollup.outcome import Outcome, Transaction
from rollup.rejections import Rejection
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.state import State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit, ListGroup, ListSeries, RegisterKey
from tests.circuits.story import Chapter
from tests.circuits.whole_batches import tree_after
from tests.rollup.test_histories import ANY_ACCOUNTS, DAY, Histories
from tests.rollup.workbench import (
    CALL,
    DOLLAR,
    GENESIS_TIME,
    PUT,
    TREASURY,
    CountingCheck,
    House,
    make,
    owner_of,
)

SUITE = SignatureSuite.SEPTIC_POSEIDON16_20
REAL_KEYS = tuple(SecretKey(SUITE, 12_345 + place).trading_key for place in range(3))
SILENT = fixed_points().key_offset
STRANGE_KEYS = (
    make(TradingKey, SUITE, (2, *(0,) * 6), (0,) * 7),
    make(TradingKey, SUITE, SILENT.x, SILENT.y),
    make(TradingKey, 3, REAL_KEYS[0].x, REAL_KEYS[0].y),
)
"""No point of the curve, one that cannot sign since its multiples are exceptional, an unknown suite."""


class KeysChecked(CountingCheck):
    """The workbench's signatures, but keys are what the circuits take for keys."""

    def accepts_key(self, key: TradingKey) -> bool:
        return SepticSchnorr().accepts_key(key)


@dataclass
class RecordingHouse(House):
    """Remembers every batch that it seals, with the state before it."""

    check: CountingCheck = field(default_factory=KeysChecked)
    transactions: list[Transaction] = field(default_factory=list)
    batches: list[tuple[State, Batch]] = field(default_factory=list)

    def attempt(self, transaction: Transaction) -> Outcome | Rejection:
        outcome = super().attempt(transaction)
        if isinstance(outcome, Outcome):
            self.transactions.append(transaction)
        return outcome

    def seal(self) -> bytes:
        before, system = self.before, self.state.system
        assert before is not None
        items: tuple[QueuedItem, ...] = tuple(queued for queued, _ in self.items)
        position = before.system.queue_position
        batch = Batch(system.batch_number, system.time, position, items, tuple(self.transactions))
        self.batches.append((before, batch))
        self.transactions = []
        return super().seal()


def told(batches: Sequence[tuple[State, Batch]]) -> list[Chapter]:
    """Batches that follow one another, applied once more, with their trees."""
    chapters: list[Chapter] = []
    for before, batch in batches:
        tree = (
            tree_after(chapters[-1]) if chapters else StateTree.of_state(before, KernelHasher(POSEIDON16_20))
        )
        outcome = apply_batch(before, batch, KeysChecked())
        assert isinstance(outcome, BatchOutcome), outcome
        chapters.append(Chapter(before, tree, batch, outcome))
    return chapters


class RecordedHistories(Histories):
    """The rules' own random histories, with keys of the curve."""

    def __init__(self) -> None:
        super().__init__()
        self.house: RecordingHouse = RecordingHouse()

    @initialize()
    def people_and_a_market(self) -> None:
        for account in (TREASURY, 2, 3, 4):
            key = REAL_KEYS[account % len(REAL_KEYS)]
            self.queue(make(Deposit, account, owner_of(account), owner_of(account), 2_000 * DOLLAR))
            self.queue(make(RegisterKey, account, owner_of(account), 0, key.suite, key.x, key.y))
        for group in (7, 8):
            self.queue(make(ListGroup, group, 1, GENESIS_TIME + (group - 6) * DAY, 200, DOLLAR, DOLLAR))
            for strike in (90, 100, 110):
                self.queue(make(ListSeries, group, strike, CALL))
                self.queue(make(ListSeries, group, strike, PUT))

    @rule(
        account=ANY_ACCOUNTS,
        floor=st.integers(0, 5),
        key=st.sampled_from([*REAL_KEYS, *REAL_KEYS, *STRANGE_KEYS]),
        first=st.sampled_from([None, None, None, 2**31 - 2**24 + 1, 2**32 - 1]),
    )
    def register_key(self, account: int, floor: int, key: object, first: int | None) -> None:
        assert isinstance(key, TradingKey)
        x = key.x if first is None else (first, *key.x[1:])
        self.queue(make(RegisterKey, account, owner_of(account), floor, key.suite, x, key.y))
