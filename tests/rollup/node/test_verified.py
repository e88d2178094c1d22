"""The signatures of a stored batch, verified together before it is applied again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollup.authority import Signature, TradingKey
from rollup.batch import Batch, BatchOutcome, RejectedBatch, apply_batch
from rollup.node.archive import Archive, ArchivedBatch
from rollup.node.sequencer import Sequencer
from rollup.node.verified import VerifiedSignatures, verified_for
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.transactions import Trade, Withdrawal
from tests.rollup.node.desk import ALICE, BOB, DOLLAR, Desk, HandClock, ListQueue
from tests.rollup.node.test_sequencer import run, until


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> ArchivedBatch:
    """The first batch of a node: keys are registered, then orders trade and cash is withdrawn in it."""
    desk, path = Desk(), tmp_path_factory.mktemp("node")

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        await sequencer.submit(desk.buy(ALICE, 5, 3))
        await sequencer.submit(desk.sell(BOB, 5, 2))
        await sequencer.submit(desk.transaction(Withdrawal, ALICE, ALICE, DOLLAR, 0))
        sequencer.close_batch()
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)

    run(path, scene)
    with Archive(path) as archive:
        return archive.batch(1)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> list[Signature]:
    """Signatures that are verified by themselves."""
    met: list[Signature] = []
    original = SepticSchnorr.is_valid

    def is_valid(
        self: SepticSchnorr, key: TradingKey, message: tuple[int, ...], signature: Signature
    ) -> bool:
        met.append(signature)
        return original(self, key, message, signature)

    monkeypatch.setattr(SepticSchnorr, "is_valid", is_valid)
    return met


def test_no_signature_of_a_good_batch_is_verified_by_itself(
    archived: ArchivedBatch, one_by_one: list[Signature]
) -> None:
    check = verified_for(archived.before, archived.batch)
    outcome = apply_batch(archived.before, archived.batch, check)
    assert isinstance(outcome, BatchOutcome)
    assert outcome.published == archived.stored.published
    assert len(archived.batch.transactions) == 2
    assert one_by_one == []


def test_a_false_signature_is_found_where_it_stands(
    archived: ArchivedBatch, one_by_one: list[Signature]
) -> None:
    (trade, withdrawal) = archived.batch.transactions
    assert isinstance(trade, Trade)
    forged = replace(trade, sell=replace(trade.sell, signature=trade.buy.signature))
    batch = replace(archived.batch, transactions=(forged, withdrawal))
    refused = apply_batch(archived.before, batch, verified_for(archived.before, batch))
    assert isinstance(refused, RejectedBatch)
    assert refused.rejection is Rejection.SIGNATURE_INVALID
    assert one_by_one == [trade.buy.signature]


def test_a_batch_without_signatures_has_nothing_to_know(archived: ArchivedBatch) -> None:
    batch: Batch = replace(archived.batch, transactions=())
    assert isinstance(apply_batch(archived.before, batch, verified_for(archived.before, batch)), BatchOutcome)


def test_what_is_forgotten_goes_a_little_at_a_time() -> None:
    desk = Desk()
    key = desk.market.secrets[ALICE].trading_key
    signatures = [desk.buy(ALICE, 5, 1).signature for _ in range(12)]
    check = VerifiedSignatures(SepticSchnorr(), remembered=4)
    sizes = []
    for place, signature in enumerate(signatures):
        check.remember(key, (place,), signature)
        sizes.append((len(check._young), len(check._old), len(check._gone)))
    assert sizes[-4:] == [(1, 4, 2), (2, 4, 0), (3, 4, 0), (4, 4, 0)]
    assert all(check.is_valid(key, (place,), signatures[place]) for place in range(4, 12))
