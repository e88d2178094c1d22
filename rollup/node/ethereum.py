"""A connection to Ethereum: somebody else's node by its URL, or a chain of our own that survives a kill.

The embedded chain is py-evm in memory.
What makes it durable is a file of its signed transactions with the times of their blocks: a start sends them again, and
must arrive at the same state roots. (Block hashes differ: the backend draws each block's randomness anew.)
A transaction is on the disk before anyone learns that it was mined.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import RLock
from time import perf_counter, time
from typing import Any, Final, cast
from urllib.parse import urlsplit

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from requests.exceptions import RequestException
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import TimeExhausted, TransactionNotFound
from web3.types import RPCEndpoint, RPCResponse, TxReceipt, Wei

from prover.hash.keccak import keccak256
from rollup.node.storage import StorageError, open_database
from rollup.units import Time
from verifier_contracts import refusal

TRANSACTION_GAS: Final = 16_000_000
"""Below the 16,777,216 that Ethereum allows a transaction; asking for an estimate costs the embedded chain seconds."""

TRANSACTION_BYTES: Final = 128 * 1024
"""Ordinary nodes pass on no signed transaction of so many bytes; the embedded chain would take it."""

BLOCK_GAS: Final = 60_000_000

FEE_PER_GAS: Final = 10**10
"""What the embedded chain's transactions offer; a real one is asked for its price."""

RECEIPT_SECONDS: Final = 180.0

REMEMBERED: Final = 1000
"""Transactions of which it is kept what they took."""

EMBEDDED_ACCOUNTS: Final = 20
"""Prefunded accounts of the embedded chain; their keys are public."""

PRACTICE_ETHER: Final = 10**19
"""Ten ether of the embedded chain: some thousand deposits."""

TRANSFER_GAS: Final = 21_000

_TABLES = """
CREATE TABLE block (
    number INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    raw BLOB NOT NULL,
    state_root BLOB NOT NULL
);
"""


class EthereumError(Exception):
    """Ethereum does not answer, or does not do what it was asked; one line for a person."""


class UnminedError(EthereumError):
    """A transaction was sent and is in no block yet."""

    def __init__(self, name: str, sent: bytes) -> None:
        super().__init__(f"{name} was sent as 0x{sent.hex()} and is not mined yet")
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Sent:
    """What a transaction that was mined took."""

    name: str
    """Of the function that was called."""
    seconds: float
    """Until its receipt was there."""
    bytes: int
    """Of the signed transaction."""
    gas: int


class Ethereum:
    """Somebody else's node, by its URL."""

    is_gas_free = False
    """Whether a transaction that fails costs nobody anything."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3
        self.fee_per_gas: int | None = None
        self.sent: deque[Sent] = deque(maxlen=REMEMBERED)
        """The newest transactions that were sent through here and mined."""
        self._newest_time = 0

    @classmethod
    def at(cls, url: str) -> Ethereum:
        """Connect, or say that nobody answers."""
        web3 = Web3(HTTPProvider(url, request_kwargs={"timeout": 30}))
        if not web3.is_connected():
            raise EthereumError(f"no Ethereum node answers at {url_without_secrets(url)}")
        found = cls(web3)
        found.look_at_clock()
        return found

    def look_at_clock(self) -> None:
        """Ask for the time of the newest block."""
        self._newest_time = max(self._newest_time, self.web3.eth.get_block("latest")["timestamp"])

    def now(self) -> Time:
        """The clock of this machine, or the newest block's where that is ahead: no batch is older than what it serves.

        Asked for every order, so it answers from what the last look has seen and never waits.
        """
        return Time(max(int(time()), self._newest_time))

    def send(
        self, signer: LocalAccount, function: ContractFunction, value: int = 0, gas: int = TRANSACTION_GAS
    ) -> TxReceipt:
        """Sign a call, send it and wait until it is mined; one that reverts raises."""
        request = {"to": function.address, "data": function._encode_transaction_data(), "value": value}
        return self._sent(signer, request, gas, function.fn_name)

    def refuse_failure(
        self, signer: str, function: ContractFunction, value: int = 0, errors: Sequence[Any] = ()
    ) -> None:
        """Ask what a call would do, and say why it would fail: one that is sent and reverts costs gas all the same.

        `errors` are those of contracts that this one calls.
        """
        try:
            function.call(
                {"from": cast(ChecksumAddress, signer), "value": Wei(value), "gas": TRANSACTION_GAS}
            )
        except (RequestException, ConnectionError):
            raise
        except Exception as error:
            # The embedded chain's backend raises classes of its own.
            reason = revert_reason(error, [*(function.contract_abi or ()), *errors])
            if reason is None:
                raise
            raise RevertedError(f"the contract refuses {function.fn_name}: {reason}") from error

    def deploy(self, signer: LocalAccount, abi: Any, bytecode: str, *arguments: Any) -> TxReceipt:
        """Deploy a contract."""
        factory = self.web3.eth.contract(abi=abi, bytecode=bytecode)
        data = factory.constructor(*arguments).data_in_transaction
        return self._sent(signer, {"data": data, "value": 0}, TRANSACTION_GAS, "deployment")

    def _sent(self, signer: LocalAccount, request: dict[str, Any], gas: int, name: str) -> TxReceipt:
        price = self.fee_per_gas or 2 * self.web3.eth.gas_price
        fields = request | {
            "chainId": self.web3.eth.chain_id,
            "nonce": self.web3.eth.get_transaction_count(signer.address),
            "gas": gas,
            "maxFeePerGas": price,
            "maxPriorityFeePerGas": min(price, 10**9),
            "type": 2,
        }
        raw = bytes(signer.sign_transaction(fields).raw_transaction)
        if len(raw) >= TRANSACTION_BYTES:
            raise EthereumError(
                f"{name} would be a transaction of {len(raw):,} bytes;"
                f" ordinary nodes take fewer than {TRANSACTION_BYTES:,}"
            )
        began = perf_counter()
        sent = self.send_raw(raw)
        try:
            receipt = self.web3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS)
        except TimeExhausted as error:
            raise UnminedError(name, bytes(sent)) from error
        if receipt["status"] != 1:
            raise EthereumError(f"{name} was reverted in block {receipt['blockNumber']}")
        self.sent.append(Sent(name, perf_counter() - began, len(raw), int(receipt["gasUsed"])))
        self.look_at_clock()
        return receipt

    def is_waiting(self, sent: bytes) -> bool:
        """Say whether a transaction that was sent still waits for its block; one that was forgotten does not."""
        try:
            return self.web3.eth.get_transaction(HexBytes(sent)).get("blockNumber") is None
        except TransactionNotFound:
            return False

    def send_raw(self, raw: bytes) -> Any:
        """Send a signed transaction; its hash is returned."""
        return self.web3.eth.send_raw_transaction(raw)

    def close(self) -> None:
        """Nothing of ours is open."""


class RevertedError(EthereumError):
    """The contract has refused a call, by the name of its error."""


REVERTED_WITH: Final = "execution reverted: "

SELECTOR: Final = re.compile(r"0x([0-9a-fA-F]{8})((?:[0-9a-fA-F]{64})*)")


def revert_output(text: str) -> bytes | None:
    """Read what a contract reverted with out of the embedded backend's message, which spells it as Python would."""
    if not text.startswith(REVERTED_WITH):
        return None
    try:
        output = literal_eval(text.removeprefix(REVERTED_WITH))
    except (ValueError, SyntaxError):
        return None
    return output if isinstance(output, bytes) else None


def revert_reason(error: Exception, abi: Any) -> str | None:
    """Name the custom error with which a contract reverted, and its arguments; None where it is no revert."""
    from eth_abi.abi import decode

    text = str(error)
    output = revert_output(text)
    spelled = "0x" + output.hex() if output is not None else f"{getattr(error, 'data', '')} {text}"
    found = SELECTOR.search(spelled)
    for part in abi if found is not None else ():
        if found is None or part["type"] != "error":
            continue
        types = [each["type"] for each in part["inputs"]]
        if keccak256(f"{part['name']}({','.join(types)})".encode())[:4].hex() == found[1].lower():
            values = list(decode(types, bytes.fromhex(found[2])))
            if part["name"] == refusal.ERROR:
                values = [refusal.reason_of(int(number)) for number in values]
            return f"{part['name']}({', '.join(map(str, values))})"
    return text if "revert" in text else None


def url_without_secrets(url: str) -> str:
    """An address as it may be printed: providers put the key that they sell into path, query or user name."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


class _OneAtATime(EthereumTesterProvider):
    """The backend is one object in memory: bridge, API and wallets take turns."""

    def __init__(self, tester: Any, lock: RLock) -> None:
        super().__init__(tester)
        self._turn = lock

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answer one request while nobody else asks."""
        with self._turn:
            return super().make_request(method, params)


class EmbeddedChain(Ethereum):
    """A chain of our own, one block a transaction."""

    is_gas_free = True

    def __init__(self, path: Path, *, start_time: int | None = None) -> None:
        # By name, because the package ships no types; and late, because importing it takes a second.
        backend: Any = import_module("eth_tester")
        self._lock = RLock()
        self._database = open_database(path, _TABLES)
        row = self._database.execute("SELECT time FROM block WHERE number = 0").fetchone()
        began = int(row[0]) if row else (start_time or int(time()))
        self._wall_clock: Callable[[], float] = time
        genesis = backend.PyEVMBackend.generate_genesis_params(
            overrides={"gas_limit": BLOCK_GAS, "timestamp": began}
        )
        accounts = backend.PyEVMBackend.generate_genesis_state(
            num_accounts=EMBEDDED_ACCOUNTS, overrides={"balance": 10**24}
        )
        self.tester: Any = backend.EthereumTester(
            backend.PyEVMBackend(genesis_parameters=genesis, genesis_state=accounts)
        )
        super().__init__(Web3(_OneAtATime(self.tester, self._lock)))
        self.fee_per_gas = FEE_PER_GAS
        if row is None:
            self._write(began, b"")
        else:
            self._replay()
        self.look_at_clock()

    def _write(self, block_time: int, raw: bytes) -> None:
        block = self.web3.eth.get_block("latest")
        self._database.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?)",
            (block["number"], block_time, raw, bytes(block["stateRoot"])),
        )

    def _replay(self) -> None:
        """Send everything again; another state root means that this is another chain."""
        for number, block_time, raw, known in self._database.execute(
            "SELECT * FROM block ORDER BY number"
        ).fetchall():
            if raw:
                self._mine(raw, block_time)
            elif number:
                self._travel(block_time)
            block = self.web3.eth.get_block("latest")
            if block["number"] != number or bytes(block["stateRoot"]) != known:
                raise StorageError(f"block {number} of the embedded chain does not come out as it was")

    def _mine(self, raw: bytes, block_time: int) -> Any:
        """Mine one transaction in a block of that time."""
        header = self.tester.backend.chain.header
        self.tester.backend.chain.header = header.copy(timestamp=block_time)
        return self.web3.eth.send_raw_transaction(raw)

    def _travel(self, block_time: int) -> None:
        """Mine an empty block of that time; the backend counts from its next block, dated by this machine's clock."""
        latest = self.web3.eth.get_block("latest")["timestamp"]
        header = self.tester.backend.chain.header
        self.tester.backend.chain.header = header.copy(timestamp=latest + 1)
        self.tester.time_travel(block_time)

    def send_raw(self, raw: bytes) -> Any:
        """Mine a signed transaction at once, and write it down before anyone hears of it."""
        with self._lock:
            latest = self.web3.eth.get_block("latest")["timestamp"]
            block_time = max(int(self._wall_clock()), latest + 1)
            sent = self._mine(raw, block_time)
            self._write(block_time, raw)
            self._newest_time = block_time
            return sent

    @contextmanager
    def before_its_time(self) -> Iterator[None]:
        """Let blocks follow each other by a second, on a chain that began in the past."""
        self._wall_clock = lambda: 0.0
        try:
            yield
        finally:
            self._wall_clock = time

    def travel(self, block_time: int) -> None:
        """Mine an empty block in the future: how a demonstration comes to an expiry."""
        with self._lock:
            self._travel(block_time)
            self._write(block_time, b"")
            self.look_at_clock()

    def give_ether(self, receiver: str) -> Any:
        """Pay a little worthless ether to whoever asks: a new wallet could not pay for its first transaction."""
        with self._lock:
            request = {"to": receiver, "data": "0x", "value": PRACTICE_ETHER}
            return self._sent(
                self.account(EMBEDDED_ACCOUNTS - 1), request, TRANSFER_GAS, "a payment of ether"
            )

    def account(self, index: int) -> LocalAccount:
        """One of the prefunded accounts; its key is known to everybody, as the chain is nobody's."""
        from eth_account import Account

        key = self.tester.backend.account_keys[index]
        account: LocalAccount = Account.from_key(key.to_bytes())
        return account

    def close(self) -> None:
        """Close the file, after what is being written."""
        with self._lock:
            self._database.close()
