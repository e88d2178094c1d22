"""Putting a clearing house on a chain, and finding again the one that a data directory serves.

The genesis state names chain and contract, and the contract is deployed with its root: so the address is computed
before it is used, and whoever finds the contract can compute the root and compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prover.hash.keccak import keccak256
from prover.hash.poseidon import POSEIDON16_20
from rollup.binding import packed
from rollup.codec import DATA_VERSION
from rollup.node.ethereum import Ethereum, EthereumError
from rollup.node.storage import StorageError
from rollup.state import Deployment, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.units import Address, ChainId, Time
from verifier_contracts.artifact import TERMINAL_CIRCUIT, Artifact, load_artifact, load_circuit

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

DAY: Final = 24 * 3600

NO_KEY: Final = keccak256(b"options clearing rollup: nothing is proved here")
"""What stands for the keys where nothing is proved; `RefusingVerifier` looks at none.

Without a key the contract takes the data version for unknown and no batch begins.
"""

NO_KEY_WORDS: Final = (int.from_bytes(NO_KEY), 0)

VENUE_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """What a clearing house is deployed with; clocks in seconds, charge in wei, deposit in micro-dollars."""

    oracle_threshold: int
    oracle_faults: int
    minimum_deposit: int = 1_000_000
    forced_item_charge: int = 10**15
    queue_window: int = 3 * DAY
    proof_deadline: int = DAY
    exit_period: int = 14 * DAY
    timelock: int = 17 * DAY + 1
    """Longer than leaving takes: queue window and exit period."""
    collection_period: int = 3600


@dataclass(frozen=True, slots=True)
class Parties:
    """Who signs for it: the deployer is the governor too, until it names another."""

    governor: LocalAccount
    sequencer: str
    oracles: Sequence[str]


@dataclass(frozen=True, slots=True)
class House:
    """Where a clearing house is, and what it began with."""

    chain: int
    contract: str
    token: str
    genesis_time: int
    from_block: int
    """No event of the contract is older."""
    is_embedded: bool

    def genesis(self) -> State:
        """The state that the contract was deployed with."""
        deployment = Deployment(ChainId(self.chain), Address(int(self.contract, 16)))
        return State.genesis(deployment, Time(self.genesis_time))

    def write(self, path: Path) -> None:
        """Write it down in one step."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(
            json.dumps({"version": VENUE_VERSION} | asdict(self), indent=2) + "\n", encoding="utf-8"
        )
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> House | None:
        """Read it, if it was written."""
        try:
            spelled = json.loads(path.read_text(encoding="utf-8"))
            version = spelled.pop("version")
            if version != VENUE_VERSION:
                raise StorageError(
                    f"{path} is of version {version}; this program reads version {VENUE_VERSION}"
                )
            return cls(**spelled)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise StorageError(f"{path} does not describe a clearing house") from error


def contract_at(ethereum: Ethereum, name: str, address: str) -> Any:
    """A deployed contract by its committed interface."""
    return ethereum.web3.eth.contract(
        address=ethereum.web3.to_checksum_address(address), abi=load_artifact(name).abi
    )


def genesis_word(genesis: State) -> int:
    """The root of a genesis state, as the contract holds it."""
    return packed(StateTree.of_state(genesis, KernelHasher(POSEIDON16_20)).root)


KeyWords = tuple[int, int]
"""A key of the proof chain as the contract names it: its digest and its root, a word each."""


class PinnedKeysError(ValueError):
    """Pinned keys that are not of one proof chain, or not spelled as such."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The contract that judges proofs, and the keys through which a proof may come to it."""

    artifact: Artifact
    terminal_key: bytes
    last_keys: tuple[KeyWords, ...]
    step_keys: tuple[KeyWords, ...]
    description: bytes = b""
    """The circuit that the contract is deployed with; none for a contract that knows no circuit."""


def refusing_verifier() -> Verifier:
    """What is deployed where nothing is proved: no proof convinces it."""
    return Verifier(load_artifact("RefusingVerifier"), NO_KEY, (NO_KEY_WORDS,), (NO_KEY_WORDS,))


def stark_verifier(pinned: Mapping[str, Any], circuit: Path = TERMINAL_CIRCUIT) -> Verifier:
    """The contract that verifies terminal proofs, from the pinned keys of the proof chain and its generated circuit."""
    try:
        described = load_circuit(circuit)
        terminal_key = int(pinned["terminal"], 16).to_bytes(32)
        last, steps = (
            tuple((int(digest, 16), int(root, 16)) for digest, root in pinned[name].values())
            for name in ("last", "base")
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise PinnedKeysError(f"the pinned keys of the proof chain cannot be read: {error}") from error
    if described.key_digest != terminal_key:
        raise PinnedKeysError("the terminal circuit's file describes another key than the pinned one")
    return Verifier(load_artifact("StarkVerifier"), terminal_key, last, steps, described.description)


def deploy_house(
    ethereum: Ethereum,
    parties: Parties,
    terms: Terms,
    *,
    is_embedded: bool,
    judge: Verifier | None = None,
) -> House:
    """Deploy practice dollars, a verifier, exits and the clearing house; by default all proofs are refused."""
    from web3.types import Nonce
    from web3.utils.address import get_create_address

    deployer = parties.governor
    web3 = ethereum.web3

    judge = judge or refusing_verifier()

    def deployed(compiled: Artifact, *arguments: Any) -> str:
        receipt = ethereum.deploy(deployer, compiled.abi, compiled.bytecode, *arguments)
        address = receipt["contractAddress"]
        if address is None:
            raise EthereumError(f"the deployment of {compiled.contract} gave no address")
        return str(address)

    first_block = web3.eth.block_number
    arguments = (judge.description,) if judge.description else ()
    token, verifier = deployed(load_artifact("PracticeToken")), deployed(judge.artifact, *arguments)
    account: Any = deployer.address
    expected = str(get_create_address(account, Nonce(web3.eth.get_transaction_count(account) + 1)))
    exits = deployed(load_artifact("Exits"), expected)
    began = int(web3.eth.get_block("latest")["timestamp"])
    house = House(web3.eth.chain_id, expected, token, began, first_block, is_embedded)
    settings = {
        "token": token,
        "governor": deployer.address,
        "sequencer": parties.sequencer,
        "verifier": verifier,
        "exits": exits,
        "terminalKey": judge.terminal_key,
        "lastKeys": list(judge.last_keys),
        "version": DATA_VERSION,
        "stepKeys": list(judge.step_keys),
        "genesisRoot": genesis_word(house.genesis()),
        "genesisTime": began,
        "oracles": list(parties.oracles),
        "oracleThreshold": terms.oracle_threshold,
        "oracleFaults": terms.oracle_faults,
        "minimumDeposit": terms.minimum_deposit,
        "forcedItemCharge": terms.forced_item_charge,
        "queueWindow": terms.queue_window,
        "proofDeadline": terms.proof_deadline,
        "exitPeriod": terms.exit_period,
        "timelock": terms.timelock,
        "collectionPeriod": terms.collection_period,
    }
    compiled = load_artifact("ClearingHouse")
    (constructor,) = [part for part in compiled.abi if part["type"] == "constructor"]
    names = [component["name"] for component in constructor["inputs"][0]["components"]]
    address = deployed(compiled, tuple(settings[name] for name in names))
    if int(address, 16) != int(expected, 16):
        raise EthereumError(f"the clearing house is at {address}, not at {expected}, which its genesis names")
    return house


def find_house(ethereum: Ethereum, address: str, from_block: int, *, is_embedded: bool = False) -> House:
    """Describe a clearing house that somebody deployed; its genesis must be the one that this program knows."""
    from web3.exceptions import Web3Exception

    if not ethereum.web3.eth.get_code(ethereum.web3.to_checksum_address(address)):
        raise EthereumError(f"there is no contract at {address} on chain {ethereum.web3.eth.chain_id}")
    contract = contract_at(ethereum, "ClearingHouse", address)
    try:
        genesis, token = contract.functions.batch(0).call(), contract.functions.token().call()
        root, time = int(genesis[0]), int(genesis[10])
    except (Web3Exception, IndexError, TypeError) as error:
        raise EthereumError(f"the contract at {address} is not a clearing house") from error
    house = House(
        ethereum.web3.eth.chain_id, str(contract.address), str(token), time, from_block, is_embedded
    )
    # Soundness: a contract with another genesis may owe accounts that this state does not have.
    if genesis_word(house.genesis()) != root:
        raise EthereumError(f"the clearing house at {address} does not begin with an empty state of its own")
    return house


def insist_on_house(ethereum: Ethereum, house: House) -> Any:
    """The contract of a clearing house that is known already, if this is its chain."""
    chain = ethereum.web3.eth.chain_id
    if chain != house.chain:
        raise EthereumError(f"this is chain {chain}, but the clearing house is on chain {house.chain}")
    contract = contract_at(ethereum, "ClearingHouse", house.contract)
    if not ethereum.web3.eth.get_code(contract.address):
        raise EthereumError(f"there is no contract at {house.contract} on chain {chain}")
    return contract
