"""A clearing house on an embedded chain: short words for the tests, and a Python twin of what the contract hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as Signer
from eth_tester import EthereumTester, PyEVMBackend  # type: ignore[import-untyped]
from eth_tester.backends.pyevm.main import EVMSpoofTransaction  # type: ignore[import-untyped]
from eth_utils.address import to_canonical_address
from web3 import EthereumTesterProvider, Web3
from web3.utils.address import get_create_address

from prover.hash.keccak import keccak256
from rollup.binding import ExtensionElement, evaluate, packed, point_of
from rollup.claims import claim_path
from rollup.codec import BatchContent, QueuedItem, encode_batch, encode_queued_item
from rollup.events import Claim
from rollup.fields import from_words
from rollup.outcome import QueueItem
from rollup.state import Deployment
from rollup.transactions import TRANSACTIONS
from rollup.units import Address, Amount, BatchNumber, ChainId, QueuePosition, Time
from verifier_contracts.artifact import ARTIFACTS, Artifact, load_artifact

DOUBLES = Path(__file__).resolve().parent / "artifacts"

BLOCK_GAS = 60_000_000

TRANSACTION_GAS = 16_000_000
"""Below the 16,777,216 that Ethereum allows; the embedded chain knows no such limit."""

START = 1_800_000_000
DOLLAR = 1_000_000
DAY = 86_400
ROOT = packed(tuple(range(1, 9)))
DIGEST = packed(tuple(range(11, 19)))
TERMINAL_KEY = bytes(range(32))
Key = tuple[int, int]
STEP_KEYS: list[Key] = [(1001, packed(tuple(range(21, 29)))), (1002, packed(tuple(range(31, 39))))]
"""Identities of first steps that the first data version may go through: one a shape."""
LAST_KEYS: list[Key] = [(2001, packed(tuple(range(41, 49)))), (2002, packed(tuple(range(51, 59))))]
ORACLES = [Signer.from_key(bytes([0] * 31 + [number])) for number in range(101, 106)]
TERMINAL_WORDS = 138
KEY_X, KEY_Y = [1, 2, 3, 4, 5, 6, 7], [0, 0x7F000000, 9, 10, 11, 12, 13]

SETTINGS: dict[str, Any] = {
    "terminalKey": TERMINAL_KEY,
    "lastKeys": LAST_KEYS,
    "version": 1,
    "stepKeys": STEP_KEYS,
    "genesisRoot": ROOT,
    "genesisTime": START - 100,
    "oracles": [oracle.address for oracle in ORACLES],
    "oracleThreshold": 3,
    "oracleFaults": 1,
    "minimumDeposit": 10 * DOLLAR,
    "forcedItemCharge": 10**15,
    "queueWindow": 3 * DAY,
    "proofDeadline": DAY,
    "exitPeriod": 14 * DAY,
    "timelock": 17 * DAY + 1,
    "collectionPeriod": 3600,
}
"""What the tests deploy with, addresses aside; `settings` puts it in the order of the struct."""


def start_chain() -> EthereumTester:
    """Start a chain whose first block is at START."""
    genesis = PyEVMBackend.generate_genesis_params(overrides={"gas_limit": BLOCK_GAS, "timestamp": START})
    accounts = PyEVMBackend.generate_genesis_state(num_accounts=10, overrides={"balance": 10**30})
    return EthereumTester(PyEVMBackend(genesis_parameters=genesis, genesis_state=accounts))


@cache
def artifact(name: str) -> Artifact:
    """Load a contract or a test double, once."""
    folder = DOUBLES if (DOUBLES / f"{name}.json").is_file() else ARTIFACTS
    return load_artifact(name, folder)


@cache
def custom_errors() -> dict[bytes, tuple[str, list[str]]]:
    """Names and argument types of all custom errors by selector."""
    found = {}
    names = (
        "ClearingHouse",
        "Exits",
        "PoseidonTree",
        "RefusingVerifier",
        "AcceptingVerifier",
        "StarkVerifier",
    )
    for name in names:
        for part in artifact(name).abi:
            if part["type"] == "error":
                types = [each["type"] for each in part["inputs"]]
                selector = keccak256(f"{part['name']}({','.join(types)})".encode())[:4]
                found[selector] = (part["name"], types)
    return found


@dataclass(frozen=True)
class Prepared:
    """A batch ready to be published."""

    number: int
    published: bytes
    claims: tuple[Claim, ...]
    new_root: int
    digest: int = DIGEST

    @property
    def hash(self) -> bytes:
        return data_hash(self.published)


class House:
    """One clearing house, its token, its people, and the clock of its chain."""

    def __init__(self, collateral: str = "PracticeToken", verifier: str = "AcceptingVerifier") -> None:
        self.tester = start_chain()
        self.w3: Any = Web3(EthereumTesterProvider(self.tester))
        people = [str(each) for each in self.w3.eth.accounts]
        self.governor: str = people[0]
        self.sequencer: str = people[1]
        self.alice: str = people[2]
        self.bob: str = people[3]
        self.carol: str = people[4]
        self.stranger: str = people[5]
        self.token = self.deploy(collateral)
        self.verifier = self.deploy(verifier)
        self.contract: Any = self.deploy("ClearingHouse", self.settings())
        self.address: str = self.contract.address
        for person in (self.alice, self.bob, self.carol):
            self.send(self.token.functions.mint(person, 1 << 63), person)
            if collateral == "PracticeToken":
                self.send(self.token.functions.approve(self.address, 1 << 63), person)

    def settings(self, **changed: Any) -> tuple[Any, ...]:
        """Spell the settings of the next deployment in the order of the struct, with exits that are made for it."""
        nonce = self.w3.eth.get_transaction_count(self.governor)
        self.exits = self.deploy("Exits", get_create_address(self.governor, nonce + 1))  # type: ignore[arg-type]
        values = SETTINGS | {
            "token": self.token.address,
            "exits": self.exits.address,
            "governor": self.governor,
            "sequencer": self.sequencer,
            "verifier": self.verifier.address,
        }
        (constructor,) = [part for part in artifact("ClearingHouse").abi if part["type"] == "constructor"]
        names = [component["name"] for component in constructor["inputs"][0]["components"]]
        assert set(names) == set(values)
        return tuple((values | changed)[name] for name in names)

    # ------------------------------------------------------------------------------------------ transactions

    def deploy(self, name: str, *arguments: Any) -> Any:
        """Deploy a contract."""
        compiled = artifact(name)
        factory = self.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
        done = self._mined(
            factory.constructor(*arguments).transact({"from": self.governor, "gas": TRANSACTION_GAS})
        )
        assert done["status"] == 1
        return self.w3.eth.contract(address=done["contractAddress"], abi=compiled.abi)

    def refused_deployment(self, **changed: Any) -> str:
        """Name the error with which a deployment fails."""
        compiled = artifact("ClearingHouse")
        factory = self.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
        now, backend = self.now, self.tester.backend
        built = factory.constructor(self.settings(**changed))
        # The exits of this deployment have taken a block of their own, which limits on times should not feel.
        header = backend.chain.header
        backend.chain.header = header.copy(timestamp=now)
        try:
            return self._failure({"data": built.data_in_transaction}, self.governor, {})
        finally:
            backend.chain.header = header

    def send(self, function: Any, sender: str, value: int = 0) -> Any:
        """Send a transaction that must succeed."""
        done = self._mined(function.transact({"from": sender, "gas": TRANSACTION_GAS, "value": value}))
        if done["status"] != 1:
            raise AssertionError(f"{function} failed: {self.refusal(function, sender, value)}")
        return done

    def refusal(
        self, function: Any, sender: str, value: int = 0, storage: dict[int, int] | None = None
    ) -> str:
        """Name the custom error, arguments included, with which a call would fail in the next block.

        `storage` overwrites slots of the clearing house first: some limits are out of a test's reach.
        """
        request = {"to": function.address, "data": function._encode_transaction_data(), "value": value}
        return self._failure(request, sender, storage or {})

    def _failure(self, request: dict[str, Any], sender: str, storage: dict[int, int]) -> str:
        backend: Any = self.tester.backend
        built = {
            "from": to_canonical_address(sender),
            "to": to_canonical_address(request["to"]) if "to" in request else b"",
            "data": bytes.fromhex(request["data"].removeprefix("0x")),
            "value": request.get("value", 0),
            "gas": TRANSACTION_GAS,
        }
        unsigned = backend._get_normalized_and_unsigned_evm_transaction(built, "pending")
        state = backend.chain.get_vm().state
        snapshot = state.snapshot()
        for slot, word in storage.items():
            state.set_storage(to_canonical_address(self.address), slot, word)
        done = state.apply_transaction(EVMSpoofTransaction(unsigned, from_=built["from"]))
        state.revert(snapshot)
        if not done.is_error:
            return "accepted"
        return self.error_name(done.output)

    def error_name(self, output: bytes) -> str:
        """Read a custom error: its name and arguments."""
        if output[:4] not in custom_errors():
            return f"not a custom error: {output.hex()}"
        name, types = custom_errors()[output[:4]]
        values = self.w3.codec.decode(types, output[4:])
        spelled = (f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in values)
        return f"{name}({', '.join(spelled)})"

    def _mined(self, transaction: Any) -> Any:
        return self.w3.eth.get_transaction_receipt(transaction)

    def events(self, receipt: Any, name: str) -> list[dict[str, Any]]:
        """List the arguments of one kind of event."""
        topic = self.contract.events[name]()
        found = [log for log in receipt["logs"] if log["address"] == self.address]
        return [
            {key: plain(value) for key, value in topic.process_log(log)["args"].items()}
            for log in found
            if bytes(log["topics"][0]) == bytes.fromhex(topic.topic.removeprefix("0x"))
        ]

    def call(self, name: str, *arguments: Any) -> Any:
        """Read something."""
        return self.contract.functions[name](*arguments).call({"gas": TRANSACTION_GAS})

    def word(self, address: str, slot: int) -> int:
        """Read a word of storage: far faster than a call."""
        backend: Any = self.tester.backend
        return int(backend.get_storage(to_canonical_address(address), slot, "pending"))

    def place(self, name: str) -> tuple[int, int]:
        """Where a state variable of the clearing house stands: its slot, and the byte in it."""
        (place,) = [each for each in artifact("ClearingHouse").storage if each.split()[1] == name]
        slot, offset = (int(part) for part in place.split()[0].split(":"))
        return slot, offset

    def variable(self, name: str, width: int) -> int:
        """Read a state variable of the clearing house by its place in the storage layout."""
        slot, offset = self.place(name)
        return self.word(self.address, slot) >> 8 * offset & ((1 << 8 * width) - 1)

    def balance(self, holder: str) -> int:
        """Read a balance of the practice token, whose balances are its second variable."""
        slot = keccak256(int(holder, 16).to_bytes(32, "big") + (1).to_bytes(32, "big"))
        return self.word(self.token.address, int.from_bytes(slot, "big"))

    # ------------------------------------------------------------------------------------------------- clock

    @property
    def now(self) -> int:
        """Time of the block that the next transaction is in."""
        backend: Any = self.tester.backend
        return int(backend.chain.header.timestamp)

    def wait_until(self, time: int) -> None:
        """Let time pass, so that the next transaction is in a block of that time."""
        assert time > self.now
        self.tester.time_travel(time - 1)
        backend: Any = self.tester.backend
        backend.chain.header = backend.chain.header.copy(timestamp=time)

    def wait(self, seconds: int) -> None:
        """Let seconds pass."""
        self.wait_until(self.now + seconds)

    # ------------------------------------------------------------------------------------------- short words

    def function(self, name: str, *arguments: Any) -> Any:
        """Bind a function of the clearing house."""
        return self.contract.functions[name](*arguments)

    def deposit(self, person: str, dollars: int = 100) -> Any:
        """Deposit dollars for oneself."""
        return self.send(self.function("deposit", person, dollars * DOLLAR), person)

    def flooder(self) -> Any:
        """Deploy a contract that repeats calls, with tokens and ether to spend."""
        flooder = self.deploy("Flooder")
        self.send(self.token.functions.mint(flooder.address, 1 << 60), self.alice)
        approve = self.token.functions.approve(self.address, 1 << 60)._encode_transaction_data()
        self.send(flooder.functions.flood(self.token.address, approve, 1, 0), self.alice)
        return flooder

    def govern(self, action: int, types: Sequence[str], *values: Any) -> Any:
        """Propose, wait, execute."""
        arguments = encode(types, values)
        proposal = self.call("proposalCount")
        self.send(self.function("propose", action, arguments), self.governor)
        self.wait(SETTINGS["timelock"])
        return self.send(self.function("execute", proposal, action, arguments), self.governor)

    def queue(self, start: int = 0) -> tuple[QueuedItem, ...]:
        """Read the queue as the rules see it, from the contract's events."""
        logs = self.contract.events.QueueItemAdded().get_logs(from_block=0)
        return tuple(read_queued(log["args"]) for log in logs if log["args"]["position"] >= start)

    def prepare(
        self, claims: Sequence[tuple[str, int]] = (), records: bytes = b"", **changed: Any
    ) -> Prepared:
        """Make the next batch: all waiting queue items, no transactions, and claims that no rule has seen."""
        number = self.call("sealedBatch") + 1
        start = self.call("batch", number - 1)[6]
        listed = tuple(Claim(Address(int(owner, 16)), Amount(amount)) for owner, amount in claims)
        content = BatchContent(
            BatchNumber(changed.get("number", number)),
            Time(changed.get("time", self.now)),
            QueuePosition(changed.get("queue_start", start)),
            changed.get("items", self.queue(start)),
            (),
            listed,
        )
        published = encode_batch(content)
        if records:
            # Bytes between items and claims that the contract never looks into.
            split = len(published) - 28 * len(listed)
            published = published[:split] + records + published[split:]
            published = published[:2] + len(published).to_bytes(4, "big") + published[6:]
        return Prepared(number, published, listed, packed(tuple(range(number, number + 8))))

    def begin(self, batch: Prepared, **changed: Any) -> Any:
        """Bind `begin` for a batch."""
        return self.function(
            "begin",
            changed.get("version", 1),
            changed.get("digest", batch.digest),
            changed.get("hash", batch.hash),
            changed.get("length", len(batch.published)),
            changed.get("root", batch.new_root),
        )

    def publish(self, batch: Prepared, cuts: Sequence[int] = (), version: int = 1) -> Any:
        """Begin, append in pieces cut at the given offsets, and seal."""
        self.send(self.begin(batch, version=version), self.sequencer)
        ends = [*cuts, len(batch.published)]
        for start, end in zip([0, *cuts], ends, strict=True):
            self.send(self.function("append", batch.published[start:end]), self.sequencer)
        return self.send(self.function("seal"), self.sequencer)

    def proof(
        self, first: int, count: int = 1, keys: Sequence[Key] | None = None, last: Key = LAST_KEYS[0]
    ) -> bytes:
        """Make what the accepting verifier accepts: the terminal statement, put together once more."""
        words = [*last]
        for number, key in zip(range(first, first + count), keys or STEP_KEYS[:1] * count, strict=True):
            words += [*key, *self.call("statement", number)]
        words += [0] * (TERMINAL_WORDS - len(words))
        return encode(["bytes32", "uint256[]"], [TERMINAL_KEY, words])

    def proving(
        self,
        first: int,
        proof: bytes,
        count: int = 1,
        keys: Sequence[Key] | None = None,
        last: Key = LAST_KEYS[0],
    ) -> Any:
        """Bind `prove` for some batches."""
        return self.function("prove", first, list(keys or STEP_KEYS[:1] * count), last, proof)

    def prove(self, first: int, count: int = 1) -> Any:
        """Prove sealed batches."""
        return self.send(self.proving(first, self.proof(first, count), count), self.stranger)

    def proved_batch(self, claims: Sequence[tuple[str, int]] = ()) -> Prepared:
        """Publish and prove a batch."""
        batch = self.prepare(claims)
        self.publish(batch)
        self.prove(batch.number)
        return batch

    def claim(self, batch: Prepared, index: int, recipient: str) -> Any:
        """Bind the claim of one entry of a batch."""
        return self.function(
            "claim",
            batch.number,
            index,
            batch.claims[index].amount,
            recipient,
            claim_path(BatchNumber(batch.number), batch.claims, index),
        )

    @property
    def deployment(self) -> Deployment:
        """Name this clearing house as the rules do."""
        return Deployment(ChainId(self.w3.eth.chain_id), Address(int(self.address, 16)))


# ---------------------------------------------------------------------------------------------------------- twins

ITEM_DOMAIN = keccak256(b"options clearing rollup: queue item")
PIECE = 4096


def plain(value: Any) -> Any:
    """Spell a struct of an event as the tuple that a call takes."""
    if isinstance(value, Mapping):
        return tuple(value.values())
    return [plain(each) for each in value] if isinstance(value, list) else value


def read_queued(arguments: Any) -> QueuedItem:
    """Read a queue item from the event that announced it."""
    kind = TRANSACTIONS[arguments["tag"]].published
    item = from_words(kind, arguments["body"])
    assert isinstance(item, QueueItem)
    return QueuedItem(Time(arguments["time"]), item)


def queue_hash(items: Sequence[QueuedItem]) -> bytes:
    """Hash a whole queue from its beginning."""
    running = bytes(32)
    for position, queued in enumerate(items):
        running = keccak256(ITEM_DOMAIN + running + position.to_bytes(32, "big") + encode_queued_item(queued))
    return running


def data_hash(published: bytes) -> bytes:
    """Hash a batch's data piece by piece."""
    running = bytes(32)
    for start in range(0, len(published), PIECE):
        running = keccak256(running + published[start : start + PIECE])
    return running


def data_point(house: House, batch: Prepared) -> ExtensionElement:
    """Draw the point of a batch as the rules draw it."""
    digest = tuple(batch.digest >> 32 * place & 0xFFFFFFFF for place in range(8))
    length = len(batch.published)
    return point_of(house.deployment, BatchNumber(batch.number), length, digest, batch.hash)


def data_value(house: House, batch: Prepared) -> int:
    """Evaluate the data of a batch as the rules evaluate it."""
    return packed(evaluate(batch.published, data_point(house, batch)))
