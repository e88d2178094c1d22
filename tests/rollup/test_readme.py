"""The tables in the rules' README are what the registry and a count of hashes say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from prover.hash.domain import HashKind
from prover.hash.poseidon import POSEIDON16_20, RATE
from rollup.batch import open_batch, serve_item
from rollup.codec import decode_batch
from rollup.events import SignatureChecked
from rollup.leaf_formats import Elements
from rollup.outcome import Outcome
from rollup.state import State
from rollup.state_hash import Digests, KernelHasher
from rollup.state_tree import StateTree
from rollup.tables import header_table, rejections_table, transactions_table
from rollup.transactions import TRANSACTIONS
from tests.rollup.test_rebuild import a_day_of_trading

README = Path("rollup/README.md")


class CountingHasher(KernelHasher):
    """Counts permutations, for leaves and for nodes."""

    leaves = 0
    nodes = 0

    def sponge_rows(self, kind: HashKind, label: int, rows: Sequence[Elements]) -> Digests:
        self.leaves += sum(max(1, -(-len(row) // RATE)) for row in rows)
        return super().sponge_rows(kind, label, rows)

    def compress_rows(self, left: Digests, right: Digests, level: int) -> Digests:
        self.nodes += len(left)
        return super().compress_rows(left, right, level)


def cost_line(name: str, before: State, outcome: Outcome, signatures: int) -> str:
    hasher = CountingHasher(POSEIDON16_20)
    tree = StateTree.of_state(before, hasher)
    hasher.leaves = hasher.nodes = 0
    written = {change.index: change.after for event in outcome.events for change in event.changes}
    tree.updated(written)
    return f"| {name} | {len(written)} | {hasher.leaves} | {hasher.nodes} | {signatures} |"


def costs_table() -> list[str]:
    house = a_day_of_trading()
    assert house.genesis is not None
    lines: dict[str, str] = {}
    state = house.genesis
    challenges = challenge_permutations()
    for published in house.published:
        content = decode_batch(published)
        opened = open_batch(state, content.time)
        assert isinstance(opened, tuple)
        state = opened[0]
        for queued in content.items:
            served = serve_item(state, queued, house.check)
            assert isinstance(served, Outcome)
            name = type(queued.item).__name__
            if served.events[-1].changes:
                lines.setdefault(name, cost_line(name, state, served, 0))
            state = served.state
        for record in content.records:
            after, event = record.clear(state)
            name = type(record).__name__.removesuffix("Record")
            outcome = Outcome(after, (event,), record)
            lines.setdefault(name, cost_line(name, state, outcome, challenges[name]))
            state = after
    columns = ["transaction", "leaves", "leaf permutations", "node permutations", "signature permutations"]
    head = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return head + [lines[entry.name] for entry in TRANSACTIONS]


def challenge_permutations() -> dict[str, int]:
    """Permutations of the signature challenges: commitment, key and message, eight elements each."""
    counts: dict[str, int] = {}
    for name, outcome in a_day_of_trading().by_name.items():
        messages = [event.message for event in outcome.events if isinstance(event, SignatureChecked)]
        counts[name] = sum(-(-(28 + len(message)) // RATE) for message in messages)
    return counts


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("transactions", transactions_table),
        ("header", header_table),
        ("rejections", rejections_table),
        ("costs", costs_table),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_is_what_the_code_says(name: str, table: object, checkout: Path) -> None:
    assert callable(table)
    text = (checkout / README).read_text(encoding="utf-8")
    _, _, rest = text.partition(f"<!-- generated: {name} -->\n")
    found, _, _ = rest.partition("<!-- end -->")
    assert found.splitlines() == table()
