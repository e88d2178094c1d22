"""Vectors of the rules: bytes and roots that other readers of the same rules are held to.

`python -m tests.rollup.test_vectors` fills them again after a change that is meant; docs and history say why.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from prover.hash.poseidon import POSEIDON16_20, POSEIDON16_36
from rollup.binding import bind
from rollup.codec import decode_batch, encode_queued_item, encode_record
from rollup.fields import values_of
from rollup.rebuild import rebuild
from rollup.state import account_index
from rollup.state_hash import KernelHasher, StateHasher
from rollup.state_tree import StateTree
from rollup.transactions import TRANSACTIONS
from tests.rollup.test_rebuild import a_day_of_trading
from tests.rollup.workbench import ALICE, DEPLOYMENT, GENESIS_TIME

FILE = Path(__file__).resolve().parent.parent / "vectors" / "clearing" / "day.json"

ABOUT = (
    "One day of a clearing house with every transaction of version 1, filled by tests/rollup/test_vectors.py. "
    "Bytes are hex; digests and extension elements are lists of canonical field elements; "
    "roots[0] is the genesis, roots[n] the state after batch n. See README.md beside this file."
)


@cache
def filled() -> str:
    """The whole file, byte for byte."""
    house = a_day_of_trading()
    hashers = {"poseidon16-20": KernelHasher(POSEIDON16_20), "poseidon16-36": KernelHasher(POSEIDON16_36)}
    vectors = {
        "about": ABOUT,
        "chain": DEPLOYMENT.chain,
        "contract": f"{DEPLOYMENT.contract:#042x}",
        "genesis_time": GENESIS_TIME,
        "published": [published.hex() for published in house.published],
        "roots": {suite: roots(hasher) for suite, hasher in hashers.items()},
        "bindings": [
            {"R": bound.digest, "h": bound.keccak.hex(), "z": bound.point, "y": bound.value}
            for published in house.published
            for bound in [
                bind(published, DEPLOYMENT, decode_batch(published).number, hashers["poseidon16-20"])
            ]
        ],
        "entries": entries(),
        "path": path(hashers["poseidon16-20"]),
    }
    return json.dumps(vectors, indent=1) + "\n"


def roots(hasher: StateHasher) -> list[tuple[int, ...]]:
    """The root after each batch, rebuilt from the data."""
    house = a_day_of_trading()
    assert house.genesis is not None
    count = len(house.published) + 1
    states = [rebuild(house.genesis, house.published[:length], house.check) for length in range(count)]
    return [StateTree.of_state(state, hasher).root for state in states]


def entries() -> list[dict[str, object]]:
    """For each transaction the first one of the day: its numbers and its bytes in the data."""
    first: dict[str, dict[str, object]] = {}
    for published in a_day_of_trading().published:
        content = decode_batch(published)
        for queued in content.items:
            numbers, encoded = values_of(queued.item), encode_queued_item(queued)
            first.setdefault(type(queued.item).__name__, {"values": numbers, "bytes": encoded.hex()})
        for record in content.records:
            numbers, encoded = values_of(record), encode_record(record)
            name = type(record).__name__.removesuffix("Record")
            first.setdefault(name, {"values": [int(number) for number in numbers], "bytes": encoded.hex()})
    return [{"name": entry.name, "tag": tag, **first[entry.name]} for tag, entry in enumerate(TRANSACTIONS)]


def path(hasher: StateHasher) -> dict[str, object]:
    """An account's path at the end of the day."""
    tree = StateTree.of_state(a_day_of_trading().state, hasher)
    index = account_index(ALICE)
    return {"index": index, "leaf": tree.leaf_digest(index), "siblings": tree.open(index).siblings}


def test_the_rules_still_give_the_vectors() -> None:
    assert FILE.read_text(encoding="utf-8") == filled()


if __name__ == "__main__":
    FILE.write_text(filled(), encoding="utf-8")
