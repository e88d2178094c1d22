"""SIGKILL at random instants under load: the client's own list of acknowledgements judges, and none may be lost.

    start ──► load over HTTP ──► SIGKILL ──► every acknowledged order is in the journal, byte for byte ──► start ...

At the end the whole journal is applied again from its first input and compared with checkpoint, batches and fills.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final

import click

from benchmarks.clearing_workload import Market
from rollup.client import AsyncClient, NodeRefusalError, NodeUnreachableError
from rollup.commands.terminal import Refused, json_option, print_json, progress_on_stderr
from rollup.fields import to_words
from rollup.node.effects import Effects
from rollup.node.engine import Engine
from rollup.node.inputs import InputKind, decode_input
from rollup.node.storage import DataDirectory
from rollup.node.verified import VerifiedSignatures
from rollup.orders import SignedOrder
from rollup.rebuild import rebuild
from rollup.schnorr import SepticSchnorr
from rollup.units import Side

HOME: Final = Path(__file__).resolve().parent.parent

KILLS: Final = 50
ACCOUNTS: Final = 6
NODE: Final = ("--accounts", str(ACCOUNTS), "--batch-transactions", "25", "--batch-seconds", "0.5")
"""Small batches: a kill should often find a checkpoint half written."""
SLOTS: Final = 8
ORDERS_A_LIFE: Final = 2000
"""More than a node takes before it is killed: a kill comes under load."""
LINES: Final = 8
"""Clients that send at the same time."""

LIFE_SECONDS: Final = (0.05, 2.0)
"""How long after its start a node is killed: before the process that writes its checkpoints is ready, or well after."""

DOLLAR: Final = 1_000_000


class LostError(Exception):
    """Something that was acknowledged is not there, or is not what it was."""


@dataclass(slots=True)
class Referee:
    """The client's own list: what was acknowledged, under which sequence number, with how many lots filled."""

    acknowledged: dict[int, tuple[SignedOrder, int]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The largest sequence number that was acknowledged."""
        return max(self.acknowledged, default=0)

    def check_journal(self, path: Path) -> None:
        """Insist that everything acknowledged is in the journal, unchanged."""
        connection = sqlite3.connect(path / "journal.sqlite")
        try:
            rows = dict(
                connection.execute("SELECT sequence, payload FROM entry WHERE kind = ?", (InputKind.ORDER,))
            )
        finally:
            connection.close()
        for sequence, (signed, _) in self.acknowledged.items():
            if rows.get(sequence, b"")[8:] != to_words(signed):
                raise LostError(f"input {sequence} was acknowledged and is not in the journal")

    def check_effects(self, engine: Engine, fills: dict[int, int]) -> None:
        """Insist that what was said to be filled is filled, and that every slot has seen its number."""
        for sequence, (signed, filled) in self.acknowledged.items():
            order = signed.order
            if fills.get(sequence, 0) < filled:
                raise LostError(f"input {sequence} was filled by {filled} lots when it was acknowledged")
            if engine.seen_number(order.account, order.slot) < order.number:
                raise LostError(f"a slot has forgotten order {order.number}, which was acknowledged")


@dataclass(slots=True)
class KillRun:
    """One data directory, killed again and again."""

    path: Path
    seed: int = 11
    random: Random = field(init=False)
    market: Market = field(init=False)
    referee: Referee = field(default_factory=Referee)
    restarts: list[int] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    _numbers: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.market = Market(accounts=ACCOUNTS)

    def orders(self, count: int = ORDERS_A_LIFE) -> list[SignedOrder]:
        """Orders around one price, signed beforehand so that sending them is all the client does."""
        made, random = [], self.random
        for _ in range(count):
            account, slot = random.choice(self.market.traders), random.randrange(SLOTS)
            number = self._numbers[account, slot] = self._numbers.get((account, slot), 0) + 1
            side, price = random.choice(list(Side)), random.randrange(3 * DOLLAR, 5 * DOLLAR, DOLLAR // 4)
            series, lots = random.choice(self.market.series[:2]), random.randrange(1, 5)
            made.append(self.market.order(account, side, series, price, lots, slot=slot, number=number))
        return self.market.signed(made)

    def live(self, seconds: float) -> None:
        """Start the node, load it, kill it, and look at what it left."""
        signed = self.orders()
        began = perf_counter()
        command = [sys.executable, "-m", "benchmarks.clearing_node_run", str(self.path), *NODE]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOME) as node:
            try:
                if node.stdout is None:
                    raise RuntimeError("the process was started with a pipe")
                line = node.stdout.readline()
                if not line:
                    raise LostError("the node does not start again")
                started = json.loads(line)
                self._note_start(started["sequence"], perf_counter() - began)
                asyncio.run(self._load_and_kill(started["url"], signed, node, seconds))
            finally:
                node.kill()
        self.referee.check_journal(self.path)

    async def _load_and_kill(
        self, url: str, signed: list[SignedOrder], node: subprocess.Popen[bytes], seconds: float
    ) -> None:
        """Send on several lines until the node is gone; whatever was answered by then counts."""
        sending = asyncio.create_task(self._load(url, signed))
        await asyncio.sleep(seconds)
        node.kill()
        await sending

    def _note_start(self, sequence: int, seconds: float) -> None:
        """Insist that the node knows at least what was acknowledged."""
        if sequence < self.referee.last:
            raise LostError(f"restarted at input {sequence}, but {self.referee.last} was acknowledged")
        self.restarts.append(sequence)
        self.start_seconds.append(seconds)

    async def _load(self, url: str, signed: list[SignedOrder]) -> None:
        """Send until the node is gone."""
        waiting = iter(signed)

        async def line(client: AsyncClient) -> None:
            for one in waiting:
                try:
                    answer = await client.send_order(one)
                except NodeRefusalError:
                    continue
                except NodeUnreachableError:
                    return
                self.referee.acknowledged[answer["sequence"]] = (one, answer["filled"])

        async with AsyncClient(url) as client:
            await asyncio.gather(*(line(client) for _ in range(LINES)))

    def audit(self) -> Audit:
        """Apply the whole journal from its first input, and compare everything that was kept with it."""
        engine = Engine(self.market.genesis, VerifiedSignatures(SepticSchnorr()))
        fills: dict[int, int] = {}
        published: list[bytes] = []
        inputs = 0
        with DataDirectory(self.path) as directory:
            checkpoint = directory.checkpoints.load()
            for row in directory.journal.rows_after(0):
                inputs += 1
                entry = decode_input(InputKind(row.kind), row.payload)
                message = engine.signed_message(entry)
                if message is not None:
                    engine.check.remember(*message)
                effects = engine.apply(entry)
                if not isinstance(effects, Effects) or effects.fingerprint != row.fingerprint:
                    raise LostError(
                        f"input {row.sequence} does something else now than when it was acknowledged"
                    )
                for fill in effects.fills:
                    for one in (fill.maker, fill.taker):
                        fills[one.sequence] = fills.get(one.sequence, 0) + fill.trade.lots
                if effects.sealed is not None:
                    published.append(effects.sealed.published)
                if effects.sequence == checkpoint.sequence and checkpoint.state != engine.state:
                    raise LostError(
                        f"the checkpoint at input {checkpoint.sequence} is not what the journal says"
                    )
            stored = [one.published for one in directory.checkpoints.latest_batches(len(published) + 1)[::-1]]
        if stored != published[: len(stored)]:
            raise LostError("the batches that were kept are not those of the journal")
        if rebuild(self.market.genesis, stored, SepticSchnorr()) != checkpoint.state:
            raise LostError("the batches' data does not lead to the checkpoint's state")
        self.referee.check_effects(engine, fills)
        return Audit(inputs, sum(fills.values()) // 2, len(published), len(published) - len(stored))


@dataclass(frozen=True, slots=True)
class Audit:
    """What the journal came to."""

    inputs: int
    lots_traded: int
    batches: int
    batches_not_yet_written: int
    """Closed in the journal, but not in the checkpoint when the last kill came: a restart writes them."""


def kill_run(path: Path, kills: int, seed: int, show: Callable[[str, float], object]) -> dict[str, Any]:
    """Kill a node so many times and say what became of it; a loss is raised."""
    run = KillRun(path, seed)
    for number in range(kills):
        show("lives", number / kills)
        run.live(run.random.uniform(*LIFE_SECONDS))
    show("lives", 1.0)
    audit = run.audit()
    return {
        "seed": seed,
        "kills": kills,
        "acknowledged": len(run.referee.acknowledged),
        "lost": 0,
        "restarted_at": run.restarts,
        "longest_start_seconds": max(run.start_seconds),
        **asdict(audit),
    }


@click.command()
@click.option(
    "--seed", default=11, show_default=True, type=click.IntRange(0), help="Makes the orders repeatable."
)
@click.option(
    "--kills", default=KILLS, show_default=True, type=click.IntRange(1), help="How often the node is killed."
)
@json_option
def command(seed: int, kills: int, as_json: bool) -> None:
    """Kill a node with SIGKILL at random instants under load, and look for what it acknowledged.

    \b
    Examples:
      clearing bench kill-run
      clearing bench kill-run --kills 5 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.machine import describe

    try:
        with tempfile.TemporaryDirectory() as folder, progress_on_stderr() as show:
            result = kill_run(Path(folder) / "node", kills, seed, show)
    except LostError as lost:
        raise Refused(str(lost)) from lost
    if as_json:
        print_json(result | {"machine": asdict(describe())})
        return
    click.echo(
        f"{result['kills']} kills, {result['acknowledged']:,} acknowledged orders, none lost;"
        f" {result['inputs']:,} inputs in the journal, {result['batches']} batches"
    )
