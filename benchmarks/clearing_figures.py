"""The clearing measurements, one function each; `clearing_bench` is the command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from time import perf_counter, time
from typing import IO, Any, Final

from benchmarks.clearing_disk import disk_figures
from benchmarks.clearing_tail import explained
from benchmarks.clearing_workload import CASH, ORDER_TAG, Market, plain
from benchmarks.prover_bench import run_child
from prover.hash.poseidon import POSEIDON16_20
from rollup.admission import message_of
from rollup.batch import open_batch, publish, serve_item
from rollup.codec import QueuedItem, encode_batch
from rollup.margin import group_margin
from rollup.node.effects import BookChanges, SealedBatch, Source
from rollup.node.gathered import Receipt
from rollup.node.inputs import InputKind, PlaceOrder, encode_input
from rollup.node.room import BatchLimits
from rollup.node.sealed_bytes import spelled
from rollup.node.sequencer import Sequencer, SequencerSettings
from rollup.node.storage import DataDirectory, JournalRow
from rollup.node.verified import VerifiedSignatures
from rollup.orders import SignedOrder
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.schnorr_batch import SignedMessage, verify_many
from rollup.state import Account, Leaf, LeafIndex, OrderSlot, Position, State, index_of_leaf
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit, Trade, WithdrawalRecord
from rollup.transition import apply_record, apply_transaction
from rollup.units import BatchNumber, QueuePosition, Time

TRADES: Final = 4096
"""A batch."""

ITEMS_A_BATCH: Final = 20
"""Deposits, and as many withdrawals, that a batch carries beside its trades."""

ACCOUNTS: Final = 100_000
HISTORY: Final = 1_000_000
"""Trades behind a restart."""

CLOSED_LOOP_SECONDS: Final = 8.0
DISK_SECONDS: Final = 5.0

HOME: Final = Path(__file__).resolve().parent.parent


@dataclass
class BenchClock:
    """The market's time, moving on as the real one does."""

    start: int

    def __post_init__(self) -> None:
        self.since = time()

    def now(self) -> Time:
        """Seconds since 1970."""
        return Time(int(self.start + time() - self.since))


def unlimited() -> BatchLimits:
    """Batches of any size: setting the market up takes thousands of queue items at once, and nothing here is proved."""
    return BatchLimits(*(1 << 30 for _ in fields(BatchLimits)))


@dataclass
class BenchQueue:
    """Queue items from a list."""

    items: list[QueuedItem]

    def items_from(self, position: QueuePosition, count: int) -> Sequence[QueuedItem]:
        """Items in order."""
        return self.items[position : position + count]


def best_of(runs: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(runs):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return min(seconds)


def messages(market: Market, signed: Sequence[SignedOrder]) -> list[SignedMessage]:
    """What the signatures of orders say."""
    deployment = market.genesis.system.deployment
    keys = {account: secret.trading_key for account, secret in market.secrets.items()}
    return [
        SignedMessage(
            keys[one.order.account],
            message_of(deployment, keys[one.order.account].suite, one.order.account, ORDER_TAG, one.order),
            one.signature,
        )
        for one in signed
    ]


def opened(market: Market) -> State:
    """The state in which everybody has money, with an open batch."""
    outcome = open_batch(market.genesis, plain(Time, market.time))
    if isinstance(outcome, Rejection):
        raise RuntimeError(outcome)
    state, _ = outcome
    check = SepticSchnorr()
    for item in market.queue_items():
        served = serve_item(state, item, check)
        if isinstance(served, Rejection):
            raise RuntimeError(served)
        state = served.state
    return state


def trades_and_signatures(seed: int) -> dict[str, Any]:
    """Verification, the pure rules with the tree, and what a batch publishes."""
    market = Market(seed)
    signed = market.signed([order for pair in market.pairs(TRADES) for order in pair])
    spoken = messages(market, signed)
    sample = spoken[:2048]
    verify_many(sample[:32])
    verifications = len(sample) / best_of(5, lambda: verify_many(sample, threads=1))

    check = VerifiedSignatures(SepticSchnorr())
    for one in spoken:
        check.remember(*one)
    start = opened(market)
    trades = [
        plain(Trade, buy, sell, True, buy.order.lots)
        for buy, sell in zip(signed[::2], signed[1::2], strict=True)
    ]
    hasher = KernelHasher(POSEIDON16_20)
    tree = StateTree.of_state(start, hasher)

    def clear() -> list[Outcome]:
        # What the last run has computed must not help this one.
        group_margin.cache_clear()
        state, outcomes = start, []
        after: dict[LeafIndex, Leaf] = {}
        for trade in trades:
            outcome = apply_transaction(state, trade, check)
            if isinstance(outcome, Rejection):
                raise RuntimeError(f"the workload's trades are good, but one is refused: {outcome}")
            state = outcome.state
            outcomes.append(outcome)
            for event in outcome.events:
                for change in event.changes:
                    after[change.index] = change.after
        _ = tree.updated(after).root
        return outcomes

    outcomes = clear()
    seconds = best_of(3, clear)
    return {
        "signature_verifications_per_second": verifications,
        "trades_applied_per_second": TRADES / seconds,
        "l1_bytes_per_trade": bytes_per_trade(market, start, outcomes),
        "mix": market.describe(outcomes[-1].state),
    }


def bytes_per_trade(market: Market, start: State, outcomes: list[Outcome]) -> float:
    """A batch of trades with its share of deposits and withdrawals, header included."""
    check = SepticSchnorr()
    state = outcomes[-1].state
    items: list[tuple[QueuedItem, Outcome]] = []
    withdrawals: list[Outcome] = []
    for account in list(market.traders)[:ITEMS_A_BATCH]:
        owner = market.owner(account)
        served = serve_item(
            state, plain(QueuedItem, market.time, plain(Deposit, account, owner, owner, CASH)), check
        )
        if isinstance(served, Rejection):
            raise RuntimeError(served)
        items.append((plain(QueuedItem, market.time, served.record), served))
        state = served.state
    for account in list(market.traders)[:ITEMS_A_BATCH]:
        # Its signature costs no byte on Ethereum, so the published record is enough here.
        outcome = apply_record(state, plain(WithdrawalRecord, account, 1))
        if isinstance(outcome, Rejection):
            raise RuntimeError(outcome)
        withdrawals.append(outcome)
        state = outcome.state
    content = publish(start, plain(Time, market.time), tuple(items), (*outcomes, *withdrawals))
    return len(encode_batch(content)) / TRADES


def large_state(market: Market, accounts: int = ACCOUNTS) -> State:
    """Many accounts, each with six positions and two used slots; they share a thousand keys."""
    random = Random(market.seed)
    keys = [secret.trading_key for secret in market.secrets.values()]
    holdings = [
        tuple(Position(series, random.randrange(1, 50)) for series in sorted(random.sample(market.series, 6)))
        for _ in range(1000)
    ]
    system = opened(market)
    leaves: list[Leaf] = [leaf for leaf in system.all_leaves().values() if not isinstance(leaf, Account)]
    treasury = system.account(1)
    if treasury is None:
        raise RuntimeError("the market has a treasury")
    leaves.append(treasury)
    for account in range(2, accounts + 2):
        leaves.append(
            plain(
                Account,
                account,
                market.owner(account),
                keys[account % len(keys)],
                3,
                0,
                CASH + account,
                holdings[account % len(holdings)],
            )
        )
        leaves += [plain(OrderSlot, account, slot, random.randrange(1, 1000), 5) for slot in range(2)]
    return State.of_leaves(leaves)


def tree_figures(seed: int, accounts: int = ACCOUNTS) -> dict[str, float]:
    """Hash 100,000 accounts, then what a batch of 4,096 trades among them touches."""
    market = Market(seed)
    state = large_state(market, accounts)
    leaves = {place: leaf for place, leaf in state.all_leaves().items() if isinstance(leaf, Account)}
    hasher = KernelHasher(POSEIDON16_20)
    empty = StateTree.without_leaves(hasher)
    empty.updated(dict(list(leaves.items())[:64]))
    began = perf_counter()
    tree = empty.updated(leaves)
    build = perf_counter() - began
    random = Random(seed)
    touched: dict[LeafIndex, Leaf] = {}
    for number in range(TRADES):
        for account in random.sample(list(market.traders), 2):
            leaf = state.account(account)
            if leaf is not None:
                touched[index_of_leaf(leaf)] = leaf.with_cash(leaf.cash + number)
            slot = plain(OrderSlot, account, number % 16, number, 1)
            touched[index_of_leaf(slot)] = slot
    return {
        "tree_build_seconds": build,
        "tree_update_ms": 1000 * best_of(3, lambda: tree.updated(touched).root),
    }


async def everybody_has_money(sequencer: Sequencer) -> None:
    """Wait until the node has served the market's queue items."""
    for _ in range(10_000):
        if sequencer.engine.state.system.queue_position:
            return
        await asyncio.sleep(0.01)
    raise RuntimeError("the node does not serve its queue")


async def admit_everything(
    folder: Path, market: Market, signed: list[SignedOrder], batch_transactions: int = TRADES
) -> float:
    """Give a node in this process all these orders, and wait until the last one is on the disk."""
    queue = BenchQueue(market.queue_items())
    settings = SequencerSettings(
        queue_items=len(queue.items),
        batch_bytes=10 * 112 * 1024,
        batch_limits=unlimited(),
        batch_transactions=batch_transactions,
        has_checkpoint_process=True,
    )
    sequencer = Sequencer(DataDirectory(folder), market.genesis, BenchClock(market.time), queue, settings)
    await sequencer.start()
    await everybody_has_money(sequencer)
    waiting = iter(signed)
    refused = 0

    async def line() -> None:
        nonlocal refused
        for one in waiting:
            answer = await sequencer.submit(one)
            refused += not isinstance(answer, Receipt)

    began = perf_counter()
    await asyncio.gather(*(line() for _ in range(512)))
    seconds = perf_counter() - began
    await sequencer.stop()
    if refused:
        raise RuntimeError(f"{refused} of the workload's orders were refused")
    return seconds


def admission(seed: int, count: int = 3 * TRADES) -> dict[str, float]:
    """Orders that are verified, matched, applied and on the disk, in one process without HTTP."""
    market = Market(seed)
    orders = [order for pair in market.pairs(count // 2) for order in pair]
    signed = market.signed(orders)
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(admit_everything(Path(folder) / "node", market, signed))
    return {"orders_admitted_per_second": count / seconds}


@contextmanager
def node_process(path: Path, *arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A node in a process of its own, and the first line it prints."""
    command = [sys.executable, "-m", "benchmarks.clearing_node_run", str(path), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOME
    ) as node:
        line = _stream(node.stdout).readline()
        if not line:
            raise RuntimeError("the node did not start")
        try:
            yield json.loads(line), node
        finally:
            _stream(node.stdin).close()
            node.wait(60)


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("the process was started with pipes")
    return stream


def _loaded(seed: int, rate: float, seconds: float) -> dict[str, Any]:
    """What a generator in a process of its own saw of a node in another."""
    with (
        tempfile.TemporaryDirectory() as folder,
        node_process(Path(folder) / "node", "--seed", str(seed)) as (line, node),
    ):
        load = run_child(
            "benchmarks.clearing_load",
            line["url"],
            "--seed",
            str(seed),
            "--rate",
            str(rate),
            "--seconds",
            str(seconds),
        )
        _stream(node.stdin).close()
        told = json.loads(_stream(node.stdout).readline())
    load["tail"] = explained(load.pop("slowest"), told["spans"])
    load["node_mean_ms"] = told["mean_ms"]
    if load["refused"]:
        raise RuntimeError(f"{load['refused']} of the workload's orders were refused")
    return load


def admission_over_http(seed: int, seconds: float = CLOSED_LOOP_SECONDS) -> dict[str, float]:
    """Orders a second that the node takes over HTTP from 64 connections, generator beside it on the same cores."""
    return {"orders_over_http_per_second": _loaded(seed, 0, seconds)["answered_per_second"]}


def acknowledgement(seed: int, rate: float, seconds: float) -> dict[str, Any]:
    """Delay of acknowledgements over HTTP at a given rate of arrivals."""
    if hasattr(os, "sync"):
        # Commits would wait for whatever earlier measurements have left to be written.
        os.sync()
    disk = disk_figures(DISK_SECONDS)
    load = _loaded(seed, rate, seconds)
    figures = {f"ack_{name}_ms": load[f"{name}_ms"] for name in ("p50", "p95", "p99", "max")}
    return figures | {"ack_rate_per_second": rate, "disk": disk, "load": load}


def write_history(path: Path, market: Market, state: State, trades: int) -> dict[str, int]:
    """Write the files of a node that has cleared a million trades: same rows, made by a script.

    Payloads, published bytes and what a batch overwrote are as long as real ones, which a test compares with a real
    node's; a restart does not read them, only the leaves of the last batch.
    """
    random = Random(market.seed)
    batches = -(-trades // TRADES)
    system = replace(state.system, batch_number=plain(BatchNumber, batches))
    state = state.with_leaves(system)
    signed = market.signed([order for pair in market.pairs(1) for order in pair])
    length = len(encode_input(PlaceOrder(plain(Time, market.time), signed[0])))
    overwritten = leaves_of_a_batch(state, market)
    with DataDirectory(path) as directory:
        directory.checkpoints.begin_with(market.genesis)
        sequence = 0
        for number in range(1, batches + 1):
            rows = []
            for _ in range(2 * TRADES):
                sequence += 1
                rows.append(
                    JournalRow(sequence, InputKind.ORDER, random.randbytes(length), random.getrandbits(32))
                )
            directory.journal.append(rows)
            leaves = dict(state.all_leaves()) if number == batches else {}
            sealed = plain(
                SealedBatch,
                plain(_Numbered, number, market.time, (None,) * TRADES),
                None,
                random.randbytes(26 * TRADES + 26),
                tuple(Source(one, one + 1, True, 3) for one in range(TRADES)),
                overwritten,
                leaves,
                sequence,
                BookChanges(),
            )
            root = StateTree.of_state(state, KernelHasher(POSEIDON16_20)).root if leaves else (0,) * 8
            directory.checkpoints.write(spelled(sealed), root)
        directory.journal.fold()
    return {"journal_bytes": (path / "journal.sqlite").stat().st_size, "sequence": sequence}


def leaves_of_a_batch(state: State, market: Market) -> dict[LeafIndex, Leaf | None]:
    """About as many leaves as a batch overwrites: those of the market's traders, and two slots a trade."""
    leaves: dict[LeafIndex, Leaf | None] = {}
    for place, leaf in state.all_leaves().items():
        if isinstance(leaf, OrderSlot) and len(leaves) < 2 * TRADES:
            leaves[place] = leaf
    for account in market.traders:
        held = state.account(account)
        if held is not None:
            leaves[index_of_leaf(held)] = held
    return leaves


@dataclass(frozen=True)
class _Numbered:
    """As much of a batch as its row holds."""

    number: int
    time: int
    transactions: tuple[None, ...]


def restart(seed: int, trades: int = HISTORY, accounts: int = ACCOUNTS) -> dict[str, Any]:
    """Seconds from the start of reading until orders are taken again."""
    market = Market(seed)
    state = large_state(market, accounts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "node"
        written = write_history(path, market, state, trades)
        os.sync()
        began = perf_counter()
        with node_process(path, "--seed", str(seed), "--accounts", "0") as (line, _):
            whole = perf_counter() - began
            return {
                "restart_seconds": line["restart"],
                "restart_with_interpreter_seconds": whole,
                "restart": line | written,
            }
