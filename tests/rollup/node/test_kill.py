"""SIGKILL at random instants under load: what the client holds an acknowledgement for is never lost."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rollup.client import AsyncClient, NodeUnreachableError
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
from tests.conftest import LONG, ROOT
from tests.rollup.node.desk import DOLLAR, Desk, small_market

KILLS = 50 if LONG else 4
ORDERS_A_RUN = 400
LINES = 8
"""Clients that send at the same time."""


@dataclass
class Referee:
    """The client's own list: what was acknowledged, under which sequence number, with how many lots filled."""

    acknowledged: dict[int, tuple[SignedOrder, int]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.acknowledged, default=0)

    def check(self, path: Path) -> None:
        """Everything acknowledged is in the journal, unchanged."""
        connection = sqlite3.connect(path / "journal.sqlite")
        rows = dict(
            connection.execute("SELECT sequence, payload FROM entry WHERE kind = ?", (InputKind.ORDER,))
        )
        connection.close()
        for sequence, (signed, _) in self.acknowledged.items():
            assert rows[sequence][8:] == to_words(signed)

    def check_fills(self, engine: Engine, fills: dict[int, int]) -> None:
        """Whatever was said to be filled is filled, and every slot has seen the number it acknowledged."""
        for sequence, (signed, filled) in self.acknowledged.items():
            assert fills.get(sequence, 0) >= filled
            assert engine.seen_number(signed.order.account, signed.order.slot) >= signed.order.number


def orders(desk: Desk, random: Random, count: int) -> list[SignedOrder]:
    """Orders around one price, signed beforehand so that sending them is all the client does."""
    made = []
    for _ in range(count):
        account, slot = random.choice(desk.market.traders), random.randrange(8)
        number = desk.numbers[account, slot] = desk.numbers.get((account, slot), 0) + 1
        side, price = random.choice(list(Side)), random.randrange(3 * DOLLAR, 5 * DOLLAR, DOLLAR // 4)
        series = random.choice(desk.market.series[:2])
        made.append(
            desk.market.order(account, side, series, price, random.randrange(1, 5), slot=slot, number=number)
        )
    return desk.market.signed(made)


async def load(url: str, signed: list[SignedOrder], referee: Referee) -> None:
    """Send until the node is gone."""
    waiting = iter(signed)

    async def line(client: AsyncClient) -> None:
        from rollup.client import NodeRefusalError

        for one in waiting:
            try:
                answer = await client.send_order(one)
            except NodeRefusalError:
                continue
            except NodeUnreachableError:
                return
            referee.acknowledged[answer["sequence"]] = (one, answer["filled"])

    async with AsyncClient(url) as client:
        await asyncio.gather(*(line(client) for _ in range(LINES)))


async def one_life(path: Path, signed: list[SignedOrder], referee: Referee, seconds: float) -> int:
    """Start the node, load it, kill it; the input it restarted at is returned."""
    command = [sys.executable, "-m", "tests.rollup.node.killed_node", str(path)]
    node = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert node.stdout is not None
        url, sequence = (await asyncio.wait_for(node.stdout.readline(), 60)).decode().split()
        sending = asyncio.create_task(load(url, signed, referee))
        await asyncio.sleep(seconds)
        node.kill()
        await sending
    finally:
        if node.returncode is None:
            node.kill()
        await node.wait()
    return int(sequence)


def test_no_acknowledged_order_is_lost_however_often_the_node_is_killed(tmp_path: Path) -> None:
    desk, random, referee = Desk(), Random(11), Referee()
    last_before = 0
    for _ in range(KILLS):
        signed = orders(desk, random, ORDERS_A_RUN)
        restarted_at = asyncio.run(one_life(tmp_path, signed, referee, random.uniform(0.05, 1.0)))
        assert restarted_at >= last_before
        referee.check(tmp_path)
        last_before = referee.last
    assert len(referee.acknowledged) > 20 * KILLS

    # Batches and checkpoint say what the whole journal says, from its first input.
    engine = Engine(small_market().genesis, VerifiedSignatures(SepticSchnorr()))
    fills: dict[int, int] = {}
    published = []
    with DataDirectory(tmp_path) as directory:
        loaded = directory.checkpoints.load()
        for row in directory.journal.rows_after(0):
            entry = decode_input(InputKind(row.kind), row.payload)
            message = engine.signed_message(entry)
            if message is not None:
                engine.check.remember(*message)
            effects = engine.apply(entry)
            assert isinstance(effects, Effects)
            assert effects.fingerprint == row.fingerprint
            for fill in effects.fills:
                for one in (fill.maker, fill.taker):
                    fills[one.sequence] = fills.get(one.sequence, 0) + fill.trade.lots
            if effects.sealed is not None:
                published.append(effects.sealed.published)
            if effects.sequence == loaded.sequence:
                assert loaded.state == engine.state
        stored = directory.checkpoints.latest_batches(10_000)[::-1]
    assert [one.published for one in stored] == published[: len(stored)]
    assert len(published) - len(stored) <= 2
    assert rebuild(small_market().genesis, [one.published for one in stored], SepticSchnorr()) == loaded.state
    referee.check_fills(engine, fills)
    assert fills
