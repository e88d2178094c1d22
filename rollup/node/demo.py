"""The demonstration: a clearing house from its deployment to its first withdrawals, on the real node over HTTP.

    chain, deploy ──► notice, timelock ──► deposits, keys ──► groups, series ──► node
                                                                                   │
    withdrawals ◄── settlement ◄── oracles' prices ◄── expiry ◄── batches ◄── trading
        │
        └──► every batch proved ──► joined into one proof ──► accepted by the contract ──► claims paid

The node's own provers prove the batches while the story goes on.
Afterwards the node is stopped, and everything that is told was rebuilt from Ethereum alone.
The bridge looks, and batches close and are joined, when the story says so: the same seed gives the same roots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from prover.hash.poseidon import POSEIDON16_20
from rollup.admission import message_of
from rollup.binding import packed
from rollup.client import AsyncClient, NodeRefusalError
from rollup.codec import decode_batch
from rollup.instruments import group_of, series_id
from rollup.node.background import BackgroundProver, ProvingSettings
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
from rollup.node.demo_proofs import (
    Progress,
    StoryError,
    collect_claims,
    contract_refuses,
    prove_everything,
)
from rollup.node.demo_report import (
    Arrow,
    DemoReport,
    Refused,
    Settled,
    arrows_of,
    bits_together,
    checks_of,
    owners_of,
    sealed_of,
)
from rollup.node.deployment import DAY, Verifier
from rollup.node.engine import ORDER_TAG
from rollup.node.node import NodeSettings, Running, run_node
from rollup.node.ports import Attested, Attester
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

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

ROUNDS: Final = 6
"""Each maker quotes every series once a round, and every trader takes."""

SESSIONS: Final = 3
"""Batches of trading; a fourth settles what expires and serves who leaves. Four are joined by one terminal proof."""

SETTINGS: Final = NodeSettings(
    sequencer=SequencerSettings(batch_seconds=3600.0, queue_seconds=3600.0),
    server=ServerSettings(port=0),
    bridge=BridgeSettings(look_seconds=3600.0),
    chain_port=None,
)
"""Batch and bridge move when the story says so, not by the clock; any port will do."""

PATIENCE_SECONDS: Final = 120.0


@dataclass(slots=True)
class _Story:
    """Everything that is known while it is told."""

    house: House
    folder: Path
    seed: int
    rounds: int
    show: Progress
    proving: ProvingSettings | None
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
    collected: dict[str, int] = field(default_factory=dict)
    pipeline: tuple[Arrow, ...] = ()
    bits_together: float | None = None

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
        market = DemoMarket(self.seed, self.listed, self.accounts)
        async with AsyncClient(running.url) as client:
            await self._trade(running, client, market)
        await self._settle(running, market)
        await self._withdraw(running)
        self._try_to_claim()
        if sequencer.prover is not None:
            await self._prove(running, sequencer.prover)

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
            if turn + 1 == self.rounds:
                await self._try_what_is_refused(client, market)
            if (turn + 1) * SESSIONS // self.rounds > turn * SESSIONS // self.rounds:
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
        if sequencer.engine.is_open:
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
        # Queue items stand in front of a batch's transactions, so who leaves through the queue says so now.
        await asyncio.to_thread(house.force_withdrawal, self.person("erin"))
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
        self.show(stage, 1.0)

    async def _withdraw(self, running: Running) -> None:
        """Four ask the node for cash, one leaves through the queue on Ethereum."""
        stage = "withdrawals: four through the node, one through Ethereum's queue"
        self.show(stage, 0.0)
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

    # -------------------------------------------------------------------------------------------- the proofs

    async def _prove(self, running: Running, prover: BackgroundProver) -> None:
        """Every batch proved to the contract, every claim paid; and what all of it took."""
        await prove_everything(running, prover, self.show)
        wallets = {person.name: self._wallet(person.name) for person in PEOPLE}
        self.collected, refused = await asyncio.to_thread(collect_claims, self.house, wallets, self.show)
        self.refusals += refused
        batches = range(1, running.bridge.proved + 1)
        self.pipeline = arrows_of(prover.shelf, batches, self.house.chain.sent)
        self.bits_together = bits_together(prover.shelf)

    def _wallet(self, name: str) -> LocalAccount:
        return self.house.chain.account(self.person(name))

    def _try_to_claim(self) -> None:
        """Ask the vault for a claim whose batch is not proved."""
        last = int(self.house.contract.functions.sealedBatch().call())
        wallet = self._wallet("alice")
        call = self.house.contract.functions.claim(last, 0, 1, wallet.address, [])
        attempt = f"alice claims from the vault out of batch {last}, not proved yet"
        self.refusals.append(contract_refuses(self.house.chain, attempt, wallet, call))

    # -------------------------------------------------------------------------------------------- afterwards

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
            owners_of(state, people, claims, self.collected),
            checks_of(state, claims, sum(self.collected.values()), house.vault_balance(), roots, self.listed),
            tuple(self.attested),
            self.pipeline,
            self.bits_together,
        )
        self.show("audit: the books rebuilt from Ethereum alone", 1.0)
        return made

    def _proved(self) -> int:
        return int(self.house.contract.functions.provedBatch().call())


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
    settings = replace(SETTINGS, proving=story.proving)

    def begin(running: Running) -> None:
        if running.sequencer.prover is not None:
            # All batches together: one proof for the contract, and blocks at the same times whoever proves how fast.
            running.sequencer.prover.may_join = False
        started.set_result(running)

    node = asyncio.create_task(
        run_node(story.folder / "node", story.house.venue, settings, started=begin, stop=stop)
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
    proving: ProvingSettings | None = None,
    verifier: Verifier | None = None,
    attester: Attester | None = None,
    rounds: int = ROUNDS,
) -> DemoReport:
    """Tell the whole story.

    With provers, and the verifier that judges their proofs, the contract accepts every batch and pays every claim.
    Without them nothing is proved to it: what stands in the verifier's place refuses everything.
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
            story = _Story(house, folder, seed, rounds, progress, proving, listed, secrets)
            story.prepare()
            asyncio.run(_with_node(story))
            if attester is not None:
                story.attest(attester)
            return story.report(began)
