"""The demonstration: a clearing house from its deployment to its first withdrawals, on the real node over HTTP.

    chain, deploy ──► notice, timelock ──► deposits, keys ──► groups, series ──► node
                                                                                   │
    withdrawals ◄── settlement ◄── oracles' prices ◄── expiry ◄── batches ◄── trading

Afterwards the node is stopped, and everything that is told was rebuilt from Ethereum alone.
The bridge looks when the story says so, and batches close when the story says so: the same seed gives the same roots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from prover.hash.poseidon import POSEIDON16_20
from rollup.admission import message_of
from rollup.binding import packed
from rollup.client import AsyncClient, NodeRefusalError
from rollup.codec import decode_batch
from rollup.instruments import group_of, series_id
from rollup.node.bridge import BridgeSettings
from rollup.node.demo_house import (
    FIRST_PERSON,
    ORACLES,
    START,
    TERMS,
    House,
    Listing,
    deployed,
)
from rollup.node.demo_market import MAKER_RATE, PEOPLE, TAKER_RATE, DemoMarket, Style, listed_terms
from rollup.node.demo_report import DemoReport, Refused, Settled, checks_of, owners_of, sealed_of
from rollup.node.deployment import DAY, Verifier
from rollup.node.engine import ORDER_TAG
from rollup.node.ethereum import RevertedError
from rollup.node.node import NodeSettings, Running, run_node
from rollup.node.ports import Attested, Attester, Prover
from rollup.node.proving import batches_to_prove
from rollup.node.published import published_batches
from rollup.node.sequencer import SequencerSettings
from rollup.node.server import ServerSettings
from rollup.node.storage import DataDirectory
from rollup.orders import Order, SignedOrder
from rollup.rebuild import rebuild
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.schnorr_batch import sign_many
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.units import MICRO, GroupId, OptionKind, Side, Ticks

Progress = Callable[[str, float], None]
"""Told what is being done, and which part of it is."""

ROUNDS: Final = 12
"""Each maker quotes every series once a round, and every trader takes."""

SETTINGS: Final = NodeSettings(
    sequencer=SequencerSettings(batch_seconds=3600.0, queue_seconds=3600.0),
    server=ServerSettings(port=0),
    bridge=BridgeSettings(look_seconds=3600.0),
    chain_port=None,
)
"""Batch and bridge move when the story says so, not by the clock; any port will do."""

PATIENCE_SECONDS: Final = 120.0


class StoryError(Exception):
    """The story did not come to its end; one line for a person."""


@dataclass(slots=True)
class _Story:
    """Everything that is known while it is told."""

    house: House
    folder: Path
    seed: int
    rounds: int
    show: Progress
    listed: tuple[Listing, ...]
    secrets: dict[int, SecretKey]
    accounts: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    trades: int = 0
    lots: int = 0
    premium: int = 0
    settlements: list[Settled] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    attested: list[Attested] = field(default_factory=list)

    def person(self, name: str) -> int:
        """A person's place among the chain's accounts."""
        return FIRST_PERSON + [one.name for one in PEOPLE].index(name)

    # ------------------------------------------------------------------------------------------- on Ethereum

    def prepare(self) -> None:
        """Notice, deposits and keys, all of it before there is a node."""
        house, show = self.house, self.show
        stage = "notice: the governor proposes fees, groups and series"
        show(stage, 0.0)
        notices = house.give_notice(self.listed, MAKER_RATE, TAKER_RATE)
        house.chain.travel(START + TERMS.timelock + DAY)
        show(stage, 1.0)
        stage = "deposits and trading keys, through Ethereum"
        for place, person in enumerate(PEOPLE):
            show(stage, place / len(PEOPLE))
            account = house.deposit(FIRST_PERSON + place, person.dollars * MICRO)
            self.accounts[person.name] = account
            if person.style is not Style.TREASURY:
                house.register_key(FIRST_PERSON + place, self.secrets[account])
        show(stage, 1.0)
        stage = f"{TERMS.timelock // DAY} days later: the notice is executed"
        show(stage, 0.0)
        house.execute(notices)
        show(stage, 1.0)

    # ------------------------------------------------------------------------------------------- on the node

    async def play(self, running: Running) -> None:
        """Trade, expire, settle, withdraw."""
        sequencer = running.sequencer
        await _until(lambda: sequencer.engine.state.account(len(PEOPLE)) is not None)
        await self._publish(running)
        market = DemoMarket(self.seed, self.listed, self.accounts)
        async with AsyncClient(running.url) as client:
            await self._trade(running, client, market)
            await self._try_what_is_refused(client, market)
            await self._settle(running, market)
        await self._withdraw(running)

    async def _trade(self, running: Running, client: AsyncClient, market: DemoMarket) -> None:
        stage = "trading: signed orders over HTTP, batches sealed on the contract"
        for turn in range(self.rounds):
            self.show(stage, turn / self.rounds)
            market.move()
            for person in PEOPLE:
                if person.style is Style.MAKER:
                    await self._send(client, list(market.quotes(person, self.house.now)))
            for person in PEOPLE:
                await self._send(client, list(market.wishes(person, self.house.now)))
            await self._publish(running)
        self.show(stage, 1.0)

    async def _send(self, client: AsyncClient, orders: Sequence[Order]) -> None:
        """Sign with each account's key, send one after the other, and count what was filled."""
        for signed in await asyncio.to_thread(self._signed, orders):
            self.orders += 1
            try:
                receipt = await client.send_order(signed)
            except NodeRefusalError as refused:
                self.refusals.append(Refused("an order of the market", str(refused.reason)))
                continue
            for fill in receipt["fills"]:
                self.trades += 1
                self.lots += fill["lots"]
                self.premium += fill["lots"] * fill["price"]

    def _signed(self, orders: Sequence[Order]) -> list[SignedOrder]:
        deployment = self.house.genesis.system.deployment
        secrets = [self.secrets[order.account] for order in orders]
        messages = [
            message_of(deployment, secret.trading_key.suite, order.account, ORDER_TAG, order)
            for order, secret in zip(orders, secrets, strict=True)
        ]
        signatures = sign_many(secrets, messages)
        return [SignedOrder(order, one) for order, one in zip(orders, signatures, strict=True)]

    async def _try_what_is_refused(self, client: AsyncClient, market: DemoMarket) -> None:
        """Attempts that must fail, each for its own reason."""
        call = series_id(GroupId(1), Ticks(3000), OptionKind.CALL)
        fair = market.fair(call, self.house.now)
        naked = market.order("dan", 200, Side.SELL, call, fair, 10_000, self.house.now)
        honest, other = (
            market.order("alice", slot, Side.BUY, call, fair, 1, self.house.now) for slot in (201, 202)
        )
        small, first, second = await asyncio.to_thread(self._signed, (naked, honest, other))
        for attempt, signed in (
            ("dan sells 10,000 calls without the money", small),
            (
                "somebody sends alice's order with another order's signature",
                SignedOrder(honest, second.signature),
            ),
        ):
            self.orders += 1
            await self._expect_refusal(attempt, client.send_order(signed))
        self.orders += 2
        await client.send_order(first)
        await self._expect_refusal("somebody sends alice's order a second time", client.send_order(first))

    async def _expect_refusal(self, attempt: str, answer: Awaitable[Any]) -> None:
        try:
            await answer
        except NodeRefusalError as refused:
            self.refusals.append(Refused(attempt, str(refused.reason)))
        else:
            raise StoryError(f"{attempt}, and it was taken")

    async def _publish(self, running: Running) -> None:
        """Close the open batch and wait until the contract has it."""
        sequencer, bridge = running.sequencer, running.bridge
        sequencer.close_batch()
        await _until(lambda: not sequencer.engine.is_open)
        last = sequencer.engine.state.system.batch_number
        await _until(lambda: sequencer.directory.checkpoints.batch(last) is not None or last == 0)
        await bridge.look(sequencer)
        if bridge.published < last:
            raise StoryError(f"the contract has sealed {bridge.published} batches, not {last}")

    async def _settle(self, running: Running, market: DemoMarket) -> None:
        """Expiry of the first two groups, prices on Ethereum, and every account settled."""
        house, sequencer = self.house, running.sequencer
        stage = "expiry: oracles sign prices, the median settles two groups"
        self.show(stage, 0.0)
        await self._publish(running)
        expiring = self.listed[:2]
        await asyncio.to_thread(house.chain.travel, expiring[0].expiry + 1)
        holders = {
            terms.group: sum(
                any(group_of(position.series) == terms.group for position in account.positions)
                for account in sequencer.engine.state.accounts()
            )
            for terms in expiring
        }
        posted = [market.settlement(terms, ORACLES) for terms in expiring]
        for terms, prices in zip(expiring, posted, strict=True):
            await asyncio.to_thread(house.post_prices, terms, prices)
        await asyncio.to_thread(house.chain.travel, expiring[0].expiry + TERMS.collection_period + 1)
        for terms, prices in zip(expiring, posted, strict=True):
            price = await asyncio.to_thread(house.fix_price, terms)
            self.settlements.append(Settled(terms.name, tuple(prices), price, holders[terms.group]))
        self.show(stage, 0.6)
        await running.bridge.look(sequencer)

        def is_settled() -> bool:
            state = sequencer.engine.state
            groups = [state.group(GroupId(terms.group)) for terms in expiring]
            return all(
                group is not None and group.settlement_price is not None for group in groups
            ) and not any(
                group_of(position.series) in holders
                for account in state.accounts()
                for position in account.positions
            )

        await _until(is_settled)
        await self._publish(running)
        self.show(stage, 1.0)

    async def _withdraw(self, running: Running) -> None:
        """Four ask the node for cash, one leaves through the queue on Ethereum."""
        stage = "withdrawals: four through the node, one through Ethereum's queue"
        self.show(stage, 0.0)
        await asyncio.to_thread(self.house.force_withdrawal, self.person("erin"))
        await running.bridge.look(running.sequencer)
        await _until(lambda: self._has_left(running, "erin"))
        for name, dollars in (("alice", 2_500), ("bob", 1_000), ("north", 40_000), ("heidi", 5_000)):
            account = self.accounts[name]
            async with AsyncClient(running.url, account, self.secrets[account]) as client:
                await client.withdraw(dollars * MICRO)
                if name == "bob":
                    await self._expect_refusal("bob withdraws a million", client.withdraw(1_000_000 * MICRO))
        await self._publish(running)
        self.show(stage, 1.0)

    def _has_left(self, running: Running, name: str) -> bool:
        state = running.sequencer.engine.state
        return state.system.queue_position >= self.house.contract.functions.queueLength().call() and (
            state.account(self.accounts[name]) is not None
        )

    # -------------------------------------------------------------------------------------------- afterwards

    def prove(self, prover: Prover) -> None:
        """Hand every batch to the prover, and its proof to the contract."""
        stage = "proofs: each batch proved, each proof accepted by the contract"
        last = self.house.contract.functions.sealedBatch().call()
        with DataDirectory(self.folder / "node") as directory:
            for before, batch in batches_to_prove(directory, SepticSchnorr()):
                self.show(stage, (batch.number - 1) / last)
                self.house.prove(batch.number, prover.prove_batch(before, batch))
        self.show(stage, 1.0)

    def attest(self, attester: Attester) -> None:
        """Prove every batch and verify its proof, outside the contract."""
        stage = "proofs: every batch proved and verified"
        last = self.house.contract.functions.sealedBatch().call()
        with DataDirectory(self.folder / "node") as directory:
            for before, batch in batches_to_prove(directory, SepticSchnorr()):
                self.show(stage, (batch.number - 1) / last)
                words = self.house.contract.functions.statement(batch.number).call()
                self.attested.append(attester(before, batch, words))
        self.show(stage, 1.0)

    def report(self, began: float) -> DemoReport:
        """Read everything back from Ethereum; the node's files are not asked."""
        house = self.house
        self.show("audit: the books rebuilt from Ethereum alone", 0.0)
        published = published_batches(house.chain, house.contract)
        state = rebuild(house.genesis, published, SepticSchnorr())
        contents = [decode_batch(data) for data in published]
        claims = [claim for content in contents for claim in content.claims]
        self._try_to_claim()
        people = [
            (person.name, person.style.value, self.accounts[person.name], person.dollars * MICRO)
            for person in PEOPLE
        ]
        rebuilt = packed(StateTree.of_state(state, KernelHasher(POSEIDON16_20)).root)
        roots = (_root_text(house.root_of(len(published))), _root_text(rebuilt))
        made = DemoReport(
            self.seed,
            perf_counter() - began,
            house.chain.web3.eth.block_number,
            self.orders,
            self.trades,
            self.lots,
            self.premium,
            sum(len(group.series) for group in state.groups()),
            sealed_of(contents, [len(data) for data in published], self._proved()),
            tuple(self.settlements),
            tuple(self.refusals),
            owners_of(state, people, claims),
            checks_of(state, claims, house.vault_balance(), roots, self.listed),
            tuple(self.attested),
        )
        self.show("audit: the books rebuilt from Ethereum alone", 1.0)
        return made

    def _proved(self) -> int:
        return int(self.house.contract.functions.provedBatch().call())

    def _try_to_claim(self) -> None:
        """Ask the vault for a claim whose batch is not proved."""
        last = int(self.house.contract.functions.sealedBatch().call())
        if last <= self._proved():
            return
        person = self.house.chain.account(self.person("alice"))
        call = self.house.contract.functions.claim(last, 0, 1, person.address, [])
        attempt = f"alice claims from the vault out of batch {last}"
        try:
            self.house.chain.refuse_failure(person.address, call)
        except RevertedError as refused:
            if "BatchNotProved" not in str(refused):
                raise
            self.refusals.append(Refused(attempt, f"batch {last} is not proved yet"))
        else:
            raise StoryError(f"{attempt}, which is not proved, and it was paid")


def _root_text(root: int) -> str:
    return f"0x{root:064x}"


async def _until(is_so: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    deadline = perf_counter() + PATIENCE_SECONDS
    while not is_so():
        if perf_counter() > deadline:
            raise StoryError(f"the node did not get there within {PATIENCE_SECONDS:.0f} seconds")
        await asyncio.sleep(0.01)


async def _with_node(story: _Story) -> None:
    """Play the story on a node; whichever ends first ends the other, and says why."""
    started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    node = asyncio.create_task(
        run_node(story.folder / "node", story.house.venue, SETTINGS, started=started.set_result, stop=stop)
    )
    playing = asyncio.create_task(_play_when(started, story))
    try:
        done, _ = await asyncio.wait({node, playing}, return_when=asyncio.FIRST_COMPLETED)
        if playing not in done:
            # The node ends before its story only if it fails, or because somebody pressed Ctrl-C.
            await node
            raise KeyboardInterrupt
        playing.result()
    finally:
        playing.cancel()
        stop.set()
        await asyncio.gather(playing, node, return_exceptions=True)
    await node


async def _play_when(started: asyncio.Future[Running], story: _Story) -> None:
    await story.play(await started)


def run_demo(
    seed: int,
    progress: Progress,
    *,
    prover: Prover | None = None,
    verifier: Verifier | None = None,
    attester: Attester | None = None,
    rounds: int = ROUNDS,
) -> DemoReport:
    """Tell the whole story.

    With a prover, and the verifier that judges its proofs, every batch is proved as well; without one, none is, and the
    contract that stands in the verifier's place refuses everything.
    An attester proves and verifies every batch without asking the contract.
    """
    began = perf_counter()
    random = Random(seed)
    suite = SignatureSuite.SEPTIC_POSEIDON16_20
    secrets = {
        number: SecretKey(suite, random.randrange(1, 1 << 200)) for number in range(1, len(PEOPLE) + 1)
    }
    with TemporaryDirectory(prefix="clearing-demo-") as name:
        folder = Path(name)
        progress("chain: token, verifier and clearing house are deployed", 0.0)
        with deployed(folder, verifier) as house:
            progress("chain: token, verifier and clearing house are deployed", 1.0)
            opening = START + TERMS.timelock + DAY
            listed = listed_terms(opening + 2 * DAY, opening + 30 * DAY)
            story = _Story(house, folder, seed, rounds, progress, listed, secrets)
            story.prepare()
            asyncio.run(_with_node(story))
            if prover is not None:
                story.prove(prover)
            if attester is not None:
                story.attest(attester)
            return story.report(began)
