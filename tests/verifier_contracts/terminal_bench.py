"""A clearing house that asks the real verifier, and a committed proof of its first batches.

The chain is the same at every run, block for block, so what was proved once can be handed in again.
`python -m tests.verifier_contracts.terminal_bench` proves the batches anew: minutes, and some gigabytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_abi.abi import encode
from web3.utils.address import get_create_address

from circuits.terminal_statement import pinned_chain
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.binding import bind, packed
from rollup.codec import DATA_VERSION, QueuedItem
from rollup.node.deployment import stark_verifier
from rollup.node.proofs import KeyIdentity
from rollup.schnorr import SepticSchnorr
from rollup.state import Deployment, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit
from rollup.units import Address, ChainId, Time
from tests.rollup.workbench import make
from tests.verifier_contracts.exit_bench import Engine, Placed, address_of, entries
from tests.verifier_contracts.vault_bench import DOLLAR, SETTINGS, START, artifact, data_hash

VECTOR = Path(__file__).resolve().parents[1] / "vectors" / "terminal_proof.json"

BATCHES = 2
"""Batches that the committed proof is about: the first serves two deposits, the second one more."""

DEPLOYER = address_of(0x7000)

GENESIS_TIME = Time(START - 100)
MINTED = 1 << 60

FLOOR_OF_A_TOKEN = 10
"""EIP-7623: a call pays at least this for each zero byte, four times as much for every other."""


@dataclass(frozen=True)
class Published:
    """A batch that the contract has sealed, with the states around it."""

    before: State
    batch: Batch
    outcome: BatchOutcome


class SettledHouse:
    """A clearing house with the pinned keys and the verifier of the terminal circuit."""

    def __init__(self, deployer: str = DEPLOYER) -> None:
        """Exits and clearing house are the deployer's first two contracts, so their addresses are known."""
        self.engine = Engine()
        self.governor, self.sequencer, self.stranger = (address_of(0x6000 + place) for place in range(3))
        self.people = [address_of(0xA000 + place) for place in range(3)]
        pinned = pinned_chain()
        judge = stark_verifier(json.loads(pinned.spelled()))
        self.token = self.engine.deploy("PracticeToken", caller=self.governor)
        self.verifier = self.engine.deploy("StarkVerifier", judge.description, caller=self.governor)
        expected = get_create_address(deployer, 1)  # type: ignore[arg-type]
        self.genesis = State.genesis(Deployment(ChainId(1), Address(int(expected, 16))), GENESIS_TIME)
        self.hasher = KernelHasher(POSEIDON16_20)
        exits = self.engine.deploy("Exits", expected, caller=deployer)
        settings = SETTINGS | {
            "token": self.token.address,
            "governor": self.governor,
            "sequencer": self.sequencer,
            "verifier": self.verifier.address,
            "exits": exits.address,
            "genesisRoot": self.root_of(self.genesis),
            "genesisTime": GENESIS_TIME,
            "terminalKey": judge.terminal_key,
            "lastKeys": list(judge.last_keys),
            "version": DATA_VERSION,
            "stepKeys": list(judge.step_keys),
        }
        (constructor,) = [part for part in artifact("ClearingHouse").abi if part["type"] == "constructor"]
        names = [component["name"] for component in constructor["inputs"][0]["components"]]
        self.house: Placed = self.engine.deploy(
            "ClearingHouse", tuple(settings[name] for name in names), caller=deployer
        )
        for person in self.people:
            self.engine.send(self.token, "mint", person, MINTED, caller=person)
            self.engine.send(self.token, "approve", self.house.address, 1 << 255, caller=person)

    def root_of(self, state: State) -> int:
        """The root of a state, in one word."""
        return packed(StateTree.of_state(state, self.hasher).root)

    def publish(self) -> Iterator[Published]:
        """Seal the batches that the committed proof is about."""
        before, accounts, start = self.genesis, 0, 0
        for number, depositors in enumerate((self.people[:2], self.people[2:]), start=1):
            queued = []
            for person in depositors:
                accounts += 1
                self.engine.now += 12
                amount = 100 * accounts * DOLLAR
                self.engine.send(self.house, "deposit", person, amount, caller=person)
                owner = int(person, 16)
                item = make(Deposit, accounts, owner, owner, amount)
                queued.append(QueuedItem(Time(self.engine.now), item))
            self.engine.now += 12
            batch = make(Batch, number, self.engine.now, start, tuple(queued), ())
            outcome = apply_batch(before, batch, SepticSchnorr())
            assert isinstance(outcome, BatchOutcome)
            published = outcome.published
            digest = packed(bind(published, self.genesis.system.deployment, batch.number, self.hasher).digest)
            begin = (DATA_VERSION, digest, data_hash(published), len(published), self.root_of(outcome.state))
            for name, arguments in (("begin", begin), ("append", (published,)), ("seal", ())):
                self.engine.send(self.house, name, *arguments, caller=self.sequencer)
            yield Published(before, batch, outcome)
            before, start = outcome.state, start + len(queued)

    def prove(self, vector: TerminalVector) -> tuple[int, int]:
        """Hand in the committed proof; returns the gas of the transaction and the bytes of its calldata."""
        self.engine.send(self.house, "prove", *vector.arguments, caller=self.stranger)
        selector, types, _ = entries("ClearingHouse")["prove"]
        calldata = selector + encode(types, vector.arguments)
        zeros = calldata.count(0)
        floor = 21_000 + FLOOR_OF_A_TOKEN * (4 * len(calldata) - 3 * zeros)
        return max(self.engine.gas, floor), len(calldata)


@dataclass(frozen=True)
class TerminalVector:
    """A terminal proof as it is committed."""

    first: int
    keys: tuple[KeyIdentity, ...]
    last: KeyIdentity
    words: tuple[int, ...]
    proof: bytes

    @property
    def arguments(self) -> tuple[int, list[tuple[int, int]], tuple[int, int], bytes]:
        """What `prove` is sent."""
        return self.first, [pair(key) for key in self.keys], pair(self.last), self.proof

    def write(self) -> None:
        """Commit it."""
        fields = {
            "generated": "by python -m tests.verifier_contracts.terminal_bench; do not edit",
            "first": self.first,
            "keys": [key.spelled() for key in self.keys],
            "last": self.last.spelled(),
            "words": [hex(word) for word in self.words],
            "proof": self.proof.hex(),
        }
        VECTOR.write_text(json.dumps(fields, indent=1) + "\n", encoding="ascii")

    @classmethod
    def read(cls) -> TerminalVector:
        """The committed one."""
        fields = json.loads(VECTOR.read_text(encoding="ascii"))
        return cls(
            fields["first"],
            tuple(KeyIdentity.parse(key) for key in fields["keys"]),
            KeyIdentity.parse(fields["last"]),
            tuple(int(word, 16) for word in fields["words"]),
            bytes.fromhex(fields["proof"]),
        )


def pair(key: KeyIdentity) -> tuple[int, int]:
    """A key as the contract is sent it."""
    return key.digest, key.root


def prove_published(published: Sequence[Published], hasher: KernelHasher) -> TerminalVector:
    """Prove batches from their witnesses to the terminal proof."""
    from circuits.aggregation import BASE_PRESET, first_step, terminal_proof
    from circuits.machine import prove_batch

    steps = []
    for each in published:
        tree = StateTree.of_state(each.before, hasher)
        proved = prove_batch(each.before, each.batch, tree, each.outcome, preset=BASE_PRESET)
        step, figures = first_step(proved)
        sys.stderr.write(f"{figures}\n")
        steps.append(step)
    made = terminal_proof(steps)
    for figures in made.figures:
        sys.stderr.write(f"{figures}\n")
    return TerminalVector(made.first, made.keys, made.last, made.words, made.proof)


def main() -> None:
    """Prove the batches anew and commit the proof."""
    house = SettledHouse()
    prove_published(list(house.publish())[:BATCHES], house.hasher).write()


if __name__ == "__main__":
    main()
