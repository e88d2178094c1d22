"""Asking an Ethereum node for events in spans of blocks, as many at once as it answers.

Nodes that serve the public refuse long spans, and answers of more than some ten thousand events.
Soundness: whoever fills blocks with events (deposits come back, so they cost gas alone) must not keep a node from its
queue, nor anybody from reading what an exit needs: so a span that is refused is asked for in halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from web3.exceptions import Web3RPCError

T = TypeVar("T")

BLOCKS_AT_ONCE: Final = 2000
"""Blocks that a request spans at first."""


def in_spans(first: int, last: int, ask: Callable[[int, int], Iterable[T]]) -> Iterator[T]:
    """Ask for all blocks from the first to the last, in order, and give what the answers hold.

    A refusal of a single block is raised: nothing smaller can be asked for.
    """
    start, span = first, BLOCKS_AT_ONCE
    while start <= last:
        end = min(start + span - 1, last)
        try:
            found = list(ask(start, end))
        except Web3RPCError:
            if start == end:
                raise
            span = (end - start + 1) // 2
            continue
        yield from found
        start, span = end + 1, min(2 * span, BLOCKS_AT_ONCE)
