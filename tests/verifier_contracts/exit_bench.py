"""A clearing house in pyrevm with the rules beside it: batches with real roots, a freeze, and everybody's way out.

pyrevm runs an exit in a millisecond, where the embedded chain takes half a second: so whole histories can be left.
The file is long because it holds a chain, a clearing house and everybody's calls in one place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache
from typing import Any

import pyrevm
from eth_abi.abi import decode, encode
from eth_account import Account as Signer
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from web3.utils.address import get_create_address

from prover.hash.keccak import keccak256
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.binding import packed
from rollup.claims import claim_path
from rollup.codec import QueuedItem
from rollup.exit import (
    account_leaf,
    account_path,
    group_leaf,
    group_path,
    position_word,
    share_of,
)
from rollup.fields import from_words
from rollup.outcome import Outcome, QueueItem, Transaction
from rollup.state import Account, Deployment, Leaf, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import TRANSACTIONS, Deposit
from rollup.transition import apply_transaction
from rollup.units import Address, BatchNumber, ChainId, GroupId, Time
from tests.rollup.workbench import CountingCheck, make
from tests.verifier_contracts.vault_bench import (
    DIGEST,
    DOLLAR,
    LAST_KEYS,
    ORACLES,
    SETTINGS,
    START,
    STEP_KEYS,
    artifact,
    custom_errors,
    data_hash,
)

PEOPLE = 8
"""Owners of accounts; the first one's account is the treasury."""

MINTED = 1 << 60
WINDOW = 7200
TIMELOCK = 2 * WINDOW
COLLECTION = 3600
SILENCE = 14 * 86_400
CHARGE = SETTINGS["forcedItemCharge"]
TRANSACTION_GAS = 16_000_000
LIST_GROUP, LIST_SERIES, SET_PARAMETERS = 0, 1, 2
DEPOSIT_TAG = 0


class ContractRefusedError(Exception):
    """A call failed; the message names the custom error with its arguments."""


@dataclass(frozen=True)
class Placed:
    """A contract where it was deployed."""

    name: str
    address: str


@cache
def entries(name: str) -> dict[str, tuple[bytes, list[str], list[str]]]:
    """Selector, argument types and result types of every function of a contract."""
    found = {}
    for part in artifact(name).abi:
        if part["type"] == "function":
            types = [collapse_if_tuple(each) for each in part["inputs"]]
            selector = keccak256(f"{part['name']}({','.join(types)})".encode())[:4]
            found[part["name"]] = (selector, types, [collapse_if_tuple(each) for each in part["outputs"]])
    return found


def constructor_types(name: str) -> list[str]:
    """Argument types of a contract's constructor."""
    found = [part for part in artifact(name).abi if part["type"] == "constructor"]
    return [collapse_if_tuple(each) for part in found for each in part["inputs"]]


def address_of(number: int) -> str:
    """An externally owned address that nobody holds a key of."""
    return to_checksum_address(f"0x{number:040x}")


def calldata(contract: str, name: str, *arguments: Any) -> bytes:
    """A call as a contract would make it."""
    selector, types, _ = entries(contract)[name]
    return selector + encode(types, arguments)


class Engine:
    """One chain: contracts, callers and a clock."""

    def __init__(self) -> None:
        self.machine: Any = pyrevm.EVM(spec_id="PRAGUE")
        self.now = START
        self.block = 1
        self.nonces: dict[str, int] = {}
        self.gas = 0

    def deploy(self, name: str, *arguments: Any, caller: str) -> Placed:
        """Deploy a contract from an address with ether."""
        self._set_block()
        creation = bytes.fromhex(artifact(name).bytecode) + encode(constructor_types(name), arguments)
        self.machine.set_balance(caller, 10**30)
        address = str(self.machine.deploy(caller, creation))
        self.gas = int(self.machine.result.gas_used)
        return Placed(name, to_checksum_address(address))

    def send(self, contract: Placed, name: str, *arguments: Any, caller: str, value: int = 0) -> Any:
        """Call a function in a block of its own; returns its one result, or all of them."""
        selector, types, results = entries(contract.name)[name]
        self._set_block()
        self.block += 1
        self.machine.set_balance(caller, 10**30)
        self.machine.reset_transient_storage()
        try:
            output = self.machine.message_call(
                caller,
                contract.address,
                calldata=selector + encode(types, arguments),
                value=value,
                gas=TRANSACTION_GAS,
            )
        except RuntimeError as error:
            raise ContractRefusedError(error_name(str(error))) from None
        self.gas = int(self.machine.result.gas_used)
        values = decode(results, bytes(output))
        return values[0] if len(values) == 1 else values

    def refusal(self, contract: Placed, name: str, *arguments: Any, caller: str, value: int = 0) -> str:
        """The error with which a call fails; nothing is kept of a call that succeeds."""
        snapshot = self.machine.snapshot()
        try:
            self.send(contract, name, *arguments, caller=caller, value=value)
        except ContractRefusedError as error:
            return str(error)
        else:
            return "accepted"
        finally:
            self.machine.revert(snapshot)

    def _set_block(self) -> None:
        self.machine.set_block_env(
            pyrevm.BlockEnv(timestamp=self.now, number=self.block, gas_limit=60_000_000)
        )


def error_name(message: str) -> str:
    """Read a custom error out of what the machine says."""
    found = re.search(r"output: 0x([0-9a-f]*)", message)
    output = bytes.fromhex(found.group(1)) if found else b""
    if output[:4] not in custom_errors():
        return f"not a custom error: {message}"
    name, types = custom_errors()[output[:4]]
    spelled = (
        f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in decode(types, output[4:])
    )
    return f"{name}({', '.join(spelled)})"


@dataclass(frozen=True)
class Sealed:
    """A batch that the contract holds, and the state behind it."""

    outcome: BatchOutcome
    tree: StateTree


class Escape:
    """One clearing house, the state of every sealed batch, and what is asked of the exits."""

    def __init__(self, collateral: str = "PracticeToken") -> None:
        self.engine = Engine()
        self.governor, self.sequencer, self.stranger = (address_of(0x6000 + place) for place in range(3))
        self.people = [address_of(0xA000 + place) for place in range(PEOPLE)]
        self.check = CountingCheck()
        self.token = self.engine.deploy(collateral, caller=self.governor)
        self.verifier = self.engine.deploy("SilentVerifier", caller=self.governor)
        # The exits are this deployer's first contract, the clearing house its second.
        deployer = address_of(0x7000)
        expected = get_create_address(deployer, 1)  # type: ignore[arg-type]
        self.genesis = State.genesis(Deployment(ChainId(1), Address(int(expected, 16))), Time(START - 100))
        self.genesis_tree = StateTree.of_state(self.genesis, KernelHasher(POSEIDON16_20))
        self.exits = self.engine.deploy("Exits", expected, caller=deployer)
        self.house = self.deploy_house(deployer)
        assert self.house.address == to_checksum_address(expected)
        for person in self.people:
            self.engine.send(self.token, "mint", person, MINTED, caller=person)
            if collateral == "PracticeToken":
                self.engine.send(self.token, "approve", self.house.address, 1 << 255, caller=person)
        self.queue: list[QueuedItem] = []
        self.sealed: list[Sealed] = []
        self.proved = 0
        self.is_frozen = False
        self.current = self.genesis
        """The state after the last sealed batch."""

    def deploy_house(self, deployer: str) -> Placed:
        """Deploy a clearing house with these exits, which are those of one house only."""
        settings = SETTINGS | {
            "token": self.token.address,
            "governor": self.governor,
            "sequencer": self.sequencer,
            "verifier": self.verifier.address,
            "exits": self.exits.address,
            "genesisRoot": packed(self.genesis_tree.root),
            "genesisTime": START - 100,
            "minimumDeposit": 1,
            "queueWindow": WINDOW,
            "proofDeadline": WINDOW,
            "exitPeriod": WINDOW - 1,
            "timelock": TIMELOCK,
            "collectionPeriod": COLLECTION,
        }
        (constructor,) = [part for part in artifact("ClearingHouse").abi if part["type"] == "constructor"]
        names = [component["name"] for component in constructor["inputs"][0]["components"]]
        return self.engine.deploy("ClearingHouse", tuple(settings[name] for name in names), caller=deployer)

    # ------------------------------------------------------------------------------------------------ reading

    def call(self, name: str, *arguments: Any) -> Any:
        """Read something of the clearing house."""
        return self.engine.send(self.house, name, *arguments, caller=self.stranger)

    def balance(self, holder: str) -> int:
        """Tokens of a holder."""
        return int(self.engine.send(self.token, "balanceOf", holder, caller=self.stranger))

    @property
    def proved_state(self) -> State:
        """The last state that the contract believes."""
        return self.sealed[self.proved - 1].outcome.state if self.proved else self.genesis

    @property
    def proved_tree(self) -> StateTree:
        """Its tree."""
        return self.sealed[self.proved - 1].tree if self.proved else self.genesis_tree

    def owner(self, account: int) -> str:
        """The address that owns an account of the proved state."""
        found = self.proved_state.account(account)
        assert found is not None
        return to_checksum_address(f"0x{found.owner:040x}")

    # --------------------------------------------------------------------------------------------- the queue

    def enqueue(self, name: str, *arguments: Any, caller: str, value: int = 0) -> Any:
        """Call something that queues one item."""
        result = self.engine.send(self.house, name, *arguments, caller=caller, value=value)
        self._read_queue()
        return result

    def _read_queue(self) -> None:
        """Read queue items off the logs of the last call."""
        topic = keccak256(b"QueueItemAdded(uint32,uint16,uint48,bytes,bytes32)").hex()
        for log in self.engine.machine.result.logs:
            if log.topics[0].removeprefix("0x") == topic:
                tag = int(log.topics[2], 16)
                time, body, _ = decode(["uint48", "bytes", "bytes32"], bytes(log.data[1]))
                item = from_words(TRANSACTIONS[tag].published, body)
                assert isinstance(item, QueueItem)
                self.queue.append(QueuedItem(Time(time), item))

    def deposit(self, person: int, amount: int, payer: int | None = None) -> None:
        """Deposit micro-dollars for a person."""
        paying = self.people[person if payer is None else payer]
        self.enqueue("deposit", self.people[person], amount, caller=paying)

    def force_out(self, person: int) -> None:
        """Force a withdrawal."""
        self.enqueue("forceWithdrawal", caller=self.people[person], value=CHARGE)

    def govern(self, *actions: tuple[int, list[str], tuple[Any, ...]]) -> None:
        """Propose, wait once, execute."""
        first = int(self.call("proposalCount"))
        spelled = [(action, encode(types, values)) for action, types, values in actions]
        for action, arguments in spelled:
            self.engine.send(self.house, "propose", action, arguments, caller=self.governor)
        self.engine.now += TIMELOCK
        for number, (action, arguments) in enumerate(spelled, first):
            self.enqueue("execute", number, action, arguments, caller=self.governor)

    def post_price(self, group: int, oracle: int, price: int) -> str:
        """Carry an oracle's price; says why not."""
        digest = self.call("priceDigest", group, price)
        signed = Signer.unsafe_sign_hash(digest, ORACLES[oracle].key)
        parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        try:
            self.engine.send(self.house, "postPrice", group, price, *parts, caller=self.stranger)
        except ContractRefusedError as error:
            return str(error)
        return "accepted"

    def fix_price(self, group: int) -> None:
        """Fix the median."""
        self.enqueue("fixPrice", group, caller=self.stranger)

    # ----------------------------------------------------------------------------------------------- batches

    def seal(self, transactions: Sequence[Transaction] = (), forged: Sequence[Leaf] = ()) -> Sealed:
        """Apply the next batch and publish it; forged leaves are written behind it, which no proof would show."""
        start = self.current.system.queue_position
        batch = make(
            Batch,
            self.current.system.batch_number + 1,
            self.engine.now,
            start,
            tuple(self.queue[start:]),
            tuple(transactions),
        )
        outcome = apply_batch(self.current, batch, self.check)
        assert isinstance(outcome, BatchOutcome), outcome
        outcome = replace(outcome, state=outcome.state.with_leaves(*forged))
        before = self.sealed[-1].tree if self.sealed else self.genesis_tree
        old = self.current.all_leaves()
        changed = {
            place: leaf for place, leaf in outcome.state.all_leaves().items() if old.get(place) is not leaf
        }
        tree = before.updated(changed)
        data = outcome.published
        send = self.engine.send
        begin = (1, DIGEST, data_hash(data), len(data), packed(tree.root))
        send(self.house, "begin", *begin, caller=self.sequencer)
        send(self.house, "append", data, caller=self.sequencer)
        send(self.house, "seal", caller=self.sequencer)
        self.sealed.append(Sealed(outcome, tree))
        self.current = outcome.state
        return self.sealed[-1]

    def prove(self) -> None:
        """Have the oldest unproved batch proved."""
        arguments = (self.proved + 1, STEP_KEYS[:1], LAST_KEYS[0], b"")
        self.engine.send(self.house, "prove", *arguments, caller=self.stranger)
        self.proved += 1

    def batch(self, transactions: Sequence[Transaction] = ()) -> Sealed:
        """Publish and prove."""
        sealed = self.seal(transactions)
        while self.proved < len(self.sealed):
            self.prove()
        return sealed

    def allowed(self, transactions: Sequence[Transaction]) -> list[Transaction]:
        """Those transactions that the rules would take one after the other, behind the waiting queue items."""
        start = self.current.system.queue_position
        batch = make(
            Batch,
            self.current.system.batch_number + 1,
            self.engine.now,
            start,
            tuple(self.queue[start:]),
            (),
        )
        outcome = apply_batch(self.current, batch, self.check)
        assert isinstance(outcome, BatchOutcome)
        state, taken = outcome.state, []
        for transaction in transactions:
            applied = apply_transaction(state, transaction, self.check)
            if isinstance(applied, Outcome):
                state = applied.state
                taken.append(transaction)
        return taken

    def drop_unproved(self) -> None:
        """What a revert or a freeze does to the batches here."""
        del self.sealed[self.proved :]
        self.current = self.proved_state

    def revert(self) -> None:
        """Go back to the last proved batch."""
        self.engine.send(self.house, "revertBatches", caller=self.sequencer)
        self.drop_unproved()

    def freeze(self) -> None:
        """Let the window pass and freeze; somebody's deposit waits, where nothing else does."""
        if self.call("provedQueue") == len(self.queue):
            self.deposit(0, 1)
        self.engine.now += WINDOW + 1
        self.engine.send(self.house, "freeze", caller=self.stranger)
        self.is_frozen = True
        self.drop_unproved()

    # ------------------------------------------------------------------------------------------------- exits

    def ask(self, name: str, *arguments: Any, caller: str) -> Any:
        """Call the exits."""
        return self.engine.send(self.exits, name, *arguments, caller=caller)

    def refusal(self, name: str, *arguments: Any, caller: str) -> str:
        """Why the exits refuse a call."""
        return self.engine.refusal(self.exits, name, *arguments, caller=caller)

    def group_arguments(self, group: int) -> tuple[Any, ...]:
        """What `showGroup` is given."""
        found = self.proved_state.group(GroupId(group))
        assert found is not None
        leaf = group_leaf(found, self.proved_tree.hasher)
        return astuple(leaf), group_path(self.proved_tree, found.group)

    def cash_arguments(self, account: int) -> tuple[Any, ...]:
        """What `takeCash` is given, but for the recipient."""
        found = self.account(account)
        return astuple(account_leaf(found)), account_path(self.proved_tree, found)

    def account(self, account: int) -> Account:
        """An account of the proved state."""
        found = self.proved_state.account(account)
        assert found is not None
        return found

    def positions(self, account: int) -> list[int]:
        """Its positions as the exits read them."""
        return [position_word(held) for held in self.account(account).positions]

    def show_groups(self) -> None:
        """Show every group of the proved state that nobody has shown."""
        for group in self.proved_state.groups():
            if not self.ask("terms", group.group, caller=self.stranger)[0]:
                self.ask("showGroup", *self.group_arguments(group.group), caller=self.stranger)

    def take_cash(self, account: int) -> int:
        """Leave; returns what was paid."""
        owner = self.owner(account)
        before = self.balance(owner)
        self.ask("takeCash", *self.cash_arguments(account), owner, caller=owner)
        return self.balance(owner) - before

    def take_group(self, account: int, group: int) -> int:
        """Take one group; returns what was paid."""
        owner = self.owner(account)
        before = self.balance(owner)
        self.ask("takeGroup", account, group, self.positions(account), owner, caller=owner)
        return self.balance(owner) - before

    def refund_arguments(self, position: int) -> tuple[int, int, str, int]:
        """What `refund` is given, but for the recipient."""
        item = self.queue[position].item
        assert isinstance(item, Deposit)
        return position, item.account, to_checksum_address(f"0x{item.owner:040x}"), item.amount

    def refund(self, position: int) -> int:
        """Take a deposit back; returns what was paid."""
        item = self.queue[position].item
        assert isinstance(item, Deposit)
        payer = to_checksum_address(f"0x{item.payer:040x}")
        before = self.balance(payer)
        self.ask("refund", *self.refund_arguments(position), payer, caller=payer)
        return self.balance(payer) - before

    def waiting_deposits(self) -> list[int]:
        """Positions of the deposits that no proved batch has served."""
        first = self.proved_state.system.queue_position
        return [
            position
            for position in range(first, len(self.queue))
            if isinstance(self.queue[position].item, Deposit)
        ]

    def price_of(self, group: int) -> int | None:
        """The price at which the exits settle a group that the proved state has not fixed."""
        is_known, price = self.ask("priceOf", group, caller=self.stranger)
        return price if is_known else None

    def expected_shares(self) -> dict[int, Any]:
        """What the rules say every account may take."""
        state = self.proved_state
        return {account.account: share_of(state, account, self.price_of) for account in state.accounts()}

    def claims(self) -> list[tuple[int, int]]:
        """Batch and index of every claim of a proved batch."""
        return [
            (place + 1, index)
            for place, sealed in enumerate(self.sealed[: self.proved])
            for index in range(len(sealed.outcome.content.claims))
        ]

    def claim(self, number: int, index: int) -> int:
        """Collect a claim; returns what was paid."""
        listed = self.sealed[number - 1].outcome.content.claims
        owner = to_checksum_address(f"0x{listed[index].owner:040x}")
        path = claim_path(BatchNumber(number), listed, index)
        arguments = (number, index, listed[index].amount, owner, path)
        self.engine.send(self.house, "claim", *arguments, caller=owner)
        return int(listed[index].amount)


def list_market(escape: Escape, groups: Sequence[int], expiries: Sequence[int], cap: int = 200) -> None:
    """List groups with calls and puts at three strikes; a tick of a dollar, a lot of one unit."""
    terms = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
    actions: list[tuple[int, list[str], tuple[Any, ...]]] = [
        (LIST_GROUP, terms, (group, 1, expiry, cap, DOLLAR, DOLLAR))
        for group, expiry in zip(groups, expiries, strict=True)
    ]
    actions += [
        (LIST_SERIES, ["uint16", "uint32", "uint16"], (group, strike, option))
        for group in groups
        for strike in (90, 100, 110)
        for option in (0, 1)
    ]
    escape.govern(*actions)


def settle_prices(escape: Escape, prices: dict[int, int], expiry: int) -> None:
    """Let the oracles post after an expiry, and fix the medians."""
    escape.engine.now = max(escape.engine.now, expiry)
    for group, price in prices.items():
        for oracle in range(3):
            assert escape.post_price(group, oracle, price + oracle - 1) == "accepted"
    escape.engine.now += COLLECTION + 1
    for group in prices:
        escape.fix_price(group)
