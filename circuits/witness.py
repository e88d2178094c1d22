"""From a batch's events to the traces of all tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from circuits import (
    batch,
    claims,
    demand,
    identities,
    leaf_rows,
    poseidon,
    published,
    queue_rows,
    range_check,
    record_rows,
    slots,
    step_rows,
    tree,
)
from circuits.account_access import OWNER_LIMBS
from circuits.hash_ledger import HashLedger
from circuits.journey import AMOUNT_LIMBS, Journey
from circuits.journey_steps import follow
from circuits.leaf_rows import TouchedLeaves
from circuits.queue_item import words_of_limbs
from circuits.statement import BatchStatement
from prover.air.table import Table
from prover.field.koalabear import Montgomery, decode
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.batch import Batch, BatchOutcome
from rollup.binding import DataBinding, bind, words_of
from rollup.state import SYSTEM_INDEX, TREE_DEPTH, State, System
from rollup.state_tree import Digest, StateTree


class Shape(Protocol):
    """What laying out needs to know of a shape."""

    @property
    def log_heights(self) -> Mapping[str, int]:
        """Of every table."""
        ...


@dataclass(frozen=True, slots=True)
class BatchWitness:
    """The traces of all tables but for their counts, and what they are to show."""

    statement: BatchStatement
    traces: dict[str, Montgomery]
    needed: dict[str, int]
    """How many rows of each table are live."""
    journey: Journey


@dataclass(frozen=True, slots=True)
class Followed:
    """A batch that was followed through the books, and what it needs."""

    proposed: Batch
    outcome: BatchOutcome
    tree_before: StateTree
    systems: tuple[System, System]
    """Before and after."""
    journey: Journey
    needed: dict[str, int]


def follow_batch(before: State, proposed: Batch, tree_before: StateTree, outcome: BatchOutcome) -> Followed:
    """Follow a batch and count the rows that every table needs."""
    # A state that was left is costly to come back to: all that is read of the later one is read first.
    after = outcome.state.system
    journey = follow(before, proposed, outcome)
    touched = step_rows.touched_groups(journey)
    steps = step_rows.holder_rows(journey, step_rows.terms_of(journey, touched, proposed.time))
    nodes, existing = _tree_rows(journey, tree_before)
    needed = {
        **record_rows.counts(journey),
        **queue_rows.counts(journey),
        **leaf_rows.counts(journey),
        **step_rows.counts(journey, touched, steps),
        claims.NAME: len(journey.claims),
        published.NAME: -(-len(outcome.published) // 16),
        tree.NAME: nodes,
        poseidon.NAME: _permutations(journey, len(outcome.published) // 2) + nodes + existing + TREE_DEPTH,
    }
    return Followed(proposed, outcome, tree_before, (before.system, after), journey, needed)


def _places(journey: Journey) -> list[int]:
    """Every touched leaf, rising."""
    slots = [account << 8 | slot for account, slot in sorted(journey.slots)]
    accounts = [1 << 32 | account for account in sorted(journey.accounts)]
    groups = [2 << 32 | group for group in sorted(journey.groups)]
    return [*slots, *accounts, *groups, SYSTEM_INDEX]


def _tree_rows(journey: Journey, before: StateTree) -> tuple[int, int]:
    """Nodes above the touched leaves, and how many of them were more than an empty subtree before."""
    places, rows, existing = np.array(_places(journey), np.int64), 0, 0
    for level in range(TREE_DEPTH - 1, -1, -1):
        places = np.unique(places >> 1)
        rows += len(places)
        stored = before.nodes.get_many((places + (1 << level)).tolist())
        existing += sum(digest is not None for digest in stored)
    return rows, existing


def _permutations(journey: Journey, words: int) -> int:
    """Permutations that the batch needs, at most: absent leaves are not hashed."""

    def blocks(elements: int) -> int:
        return max(1, -(-elements // 8))

    signatures = sum(blocks(28 + len(one.message)) for one in journey.signed)
    lists = sum(
        blocks(3 * len(one.positions))
        for book in journey.accounts.values()
        for one in (book.first, book.account)
        if one is not None
    )
    listed = [book.group for book in journey.groups.values() if book.group is not None]
    series = 2 * sum(blocks(len(group.series)) for group in listed)
    leaves = 6 * len(journey.accounts) + 2 * len(journey.slots) + 8 * len(journey.groups) + 8
    return signatures + lists + series + leaves + 4 * len(journey.identities) + blocks(words)


def lay_out(
    followed: Followed,
    shape: Shape,
    tables: Sequence[Table],
    preprocessed: Mapping[str, Montgomery],
    *,
    threads: int,
) -> BatchWitness:
    """Fill every table of a shape that holds the batch."""
    proposed, outcome, journey = followed.proposed, followed.outcome, followed.journey
    heights = dict(shape.log_heights)
    now = proposed.time
    ledger = HashLedger(threads)
    signatures = record_rows.lay_out_signatures(journey, ledger, threads=threads)
    touched = step_rows.touched_groups(journey)
    steps = step_rows.holder_rows(journey, step_rows.terms_of(journey, touched, now))
    identity_trace, identity_digests = leaf_rows.fill_identities(journey, ledger, heights[identities.NAME])
    account_traces, of_accounts = leaf_rows.fill_accounts(journey, identity_digests, ledger, heights)
    slot_trace, of_slots = leaf_rows.fill_slots(journey, ledger, heights[slots.NAME])
    group_traces, of_groups = step_rows.fill_groups(journey, touched, now, ledger, heights)
    batch_trace, system_digests = batch.fill(_batch_row(followed), ledger)
    system: TouchedLeaves = (
        np.array([SYSTEM_INDEX], np.int64),
        system_digests[:DIGEST_LENGTH],
        system_digests[DIGEST_LENGTH:],
    )
    nodes = _lay_out_tree([of_slots, of_accounts, of_groups, system], followed.tree_before, ledger)
    deployment = followed.systems[0].deployment
    number = outcome.content.number
    binding = bind(outcome.published, deployment, number, followed.tree_before.hasher)
    words = published.Rows(np.array(words_of(outcome.published), np.int64))
    data_trace = published.fill(words, binding.point, ledger, heights[published.NAME])
    statement = _statement(followed, binding, (_root(nodes, "old"), _root(nodes, "new")))
    poseidon_trace, _ = poseidon.fill(ledger.calls, heights[poseidon.NAME], ledger.nodes, threads=threads)
    traces = {
        **record_rows.fill(journey, signatures, now, heights),
        **queue_rows.fill(journey, now, heights),
        **step_rows.fill_steps(journey, steps, heights),
        **account_traces,
        **group_traces,
        identities.NAME: identity_trace,
        slots.NAME: slot_trace,
        batch.NAME: batch_trace,
        tree.NAME: tree.fill(nodes, heights[tree.NAME]),
        published.NAME: data_trace,
        claims.NAME: claims.fill(_claim_rows(journey), heights[claims.NAME]),
        poseidon.NAME: poseidon_trace,
        range_check.NAME: range_check.fill(),
    }
    demand.write_counts(
        tables,
        [traces[table.name] for table in tables],
        [preprocessed.get(table.name) for table in tables],
        statement.elements,
        threads=threads,
    )
    return BatchWitness(statement, traces, followed.needed, journey)


def _lay_out_tree(leaves: Sequence[TouchedLeaves], before: StateTree, ledger: HashLedger) -> tree.Rows:
    """The nodes above all touched leaves, whose kinds follow one another in the tree."""
    places = np.concatenate([part[0] for part in leaves])
    old, new = (np.concatenate([part[which] for part in leaves], axis=1) for which in (1, 2))
    return tree.lay_out(places, old, new, tree.siblings_in(before), ledger)


def _root(nodes: tree.Rows, side: str) -> Digest:
    """The root of one version."""
    found: list[int] = decode(nodes.digests[tree.SIDES.index(side), :, -1]).tolist()
    return tuple(found)


def _batch_row(followed: Followed) -> batch.Row:
    journey = followed.journey
    before, after = followed.systems
    return batch.Row(
        before=before,
        after=after,
        items=len(followed.proposed.items),
        records=len(followed.proposed.transactions),
        claims=len(journey.claims),
        item_claims=journey.records_place.claims,
        records_offset=journey.records_place.offset,
        claims_offset=journey.claims_place.offset,
        owed_time=journey.owed_time,
        parameters_time=journey.parameters_time,
        length=len(followed.outcome.published),
    )


def _claim_rows(journey: Journey) -> claims.Rows:
    return claims.Rows(
        words_of_limbs(OWNER_LIMBS, [owner for owner, _ in journey.claims]),
        words_of_limbs(AMOUNT_LIMBS, [amount for _, amount in journey.claims]),
        journey.claims_place.offset,
    )


def _statement(followed: Followed, binding: DataBinding, roots: tuple[Digest, Digest]) -> BatchStatement:
    before, after = followed.systems
    return BatchStatement.of(
        before.deployment,
        after.batch_number,
        roots,
        followed.outcome.published,
        binding,
        (before.queue_position, after.queue_position),
        after.time,
        after.parameters.version,
    )
