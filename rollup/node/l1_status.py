"""How a clearing house stands on Ethereum, asked of the contract alone: sealed, proved, claimable, overdue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rollup.node.block_spans import in_spans
from rollup.node.ethereum import Ethereum

MOST_WAITING: Final = 100
"""Batches without a proof that are told one by one, oldest first."""


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """A sealed batch that is not proved."""

    number: int
    sealed_at: int
    claims: int
    proof_due_at: int
    """Afterwards anyone may have it taken back, with all behind it."""
    freeze_at: int
    """Afterwards anyone may freeze the clearing house."""


@dataclass(frozen=True, slots=True)
class WaitingItems:
    """Queue items that no proved batch has served."""

    count: int
    oldest_at: int
    freeze_at: int
    """Afterwards anyone may freeze the clearing house."""


@dataclass(frozen=True, slots=True)
class ClaimCounts:
    """Withdrawals that have left the books."""

    claimable: int
    """In proved batches and not paid: their owners can collect them."""
    paid: int
    waiting: int
    """In batches that are not proved: nobody can collect them yet."""


@dataclass(frozen=True, slots=True)
class L1Status:
    """The contract's word; times are seconds since 1970."""

    chain: int
    block: int
    now: int
    contract: str
    verifier: str
    sealed: int
    proved: int
    frozen_at: int | None
    waiting: tuple[WaitingBatch, ...]
    """The oldest batches that are not proved."""
    items: WaitingItems | None
    claims: ClaimCounts
    vault: int
    """Micro-dollars: deposits less what was paid."""

    @property
    def overdue(self) -> tuple[str, ...]:
        """What should have happened by now, a line each."""
        if self.frozen_at is not None:
            return ("the clearing house is frozen: `clearing exit` takes out what belongs to an account",)
        found = []
        if self.waiting and self.now > self.waiting[0].freeze_at:
            found.append(f"batch {self.waiting[0].number} waits for its proof too long: anyone may freeze")
        elif self.waiting and self.now > self.waiting[0].proof_due_at:
            found.append(f"a proof of batch {self.waiting[0].number} is overdue: anyone may revert it")
        if self.items is not None and self.now > self.items.freeze_at:
            found.append("the oldest queue item waits for a proved batch too long: anyone may freeze")
        return tuple(found)


def l1_status(ethereum: Ethereum, contract: Any, from_block: int = 0) -> L1Status:
    """Ask the contract; claims are counted in its logs."""
    functions = contract.functions
    # The one block, so that batches and claims are of the same moment wherever the node can tell.
    newest = ethereum.web3.eth.get_block("latest")
    sealed, proved = functions.sealedBatch().call(), functions.provedBatch().call()
    deadline, window = functions.proofDeadline().call(), functions.queueWindow().call()
    counts = _claims_of(ethereum, contract, from_block)
    waiting = []
    for number in range(proved + 1, min(sealed, proved + MOST_WAITING) + 1):
        since = _sealed_at(contract, number)
        claims = counts.of_batch.get(number, 0)
        waiting.append(WaitingBatch(number, since, claims, since + deadline, since + window))
    frozen = functions.frozenAt().call()
    return L1Status(
        ethereum.web3.eth.chain_id,
        newest["number"],
        max(int(newest["timestamp"]), int(ethereum.now())),
        str(contract.address),
        str(functions.verifier().call()),
        sealed,
        proved,
        frozen or None,
        tuple(waiting),
        _items_of(contract, window),
        counts.until(sealed, proved),
        functions.vaultBalance().call(),
    )


def _sealed_at(contract: Any, number: int) -> int:
    """When the contract sealed a batch; its struct is read by name."""
    found = contract.functions.batch(number)
    (output,) = found.abi["outputs"]
    names = [component["name"] for component in output["components"]]
    return int(found.call()[names.index("sealedAt")])


def _items_of(contract: Any, window: int) -> WaitingItems | None:
    """What waits in the queue."""
    served, length = contract.functions.provedQueue().call(), contract.functions.queueLength().call()
    if served >= length:
        return None
    oldest = int(contract.functions.queueItem(served).call()[1])
    return WaitingItems(length - served, oldest, oldest + window)


@dataclass(frozen=True, slots=True)
class _Counted:
    of_batch: dict[int, int]
    """Claims by the number of the batch, as it was sealed last."""
    paid: int

    def until(self, sealed: int, proved: int) -> ClaimCounts:
        """Split what there is by what is proved; batches that were taken back are left out."""
        in_proved = sum(count for number, count in self.of_batch.items() if number <= proved)
        waiting = sum(count for number, count in self.of_batch.items() if proved < number <= sealed)
        return ClaimCounts(in_proved - self.paid, self.paid, waiting)


def _claims_of(ethereum: Ethereum, contract: Any, from_block: int) -> _Counted:
    """Count claims that were sealed and claims that were paid, in the contract's logs."""
    newest = ethereum.web3.eth.block_number
    of_batch: dict[int, int] = {}
    paid = 0
    sealed, claimed = contract.events.BatchSealed(), contract.events.Claimed()
    for log in in_spans(
        from_block, newest, lambda start, end: sealed.get_logs(from_block=start, to_block=end)
    ):
        of_batch[log["args"]["number"]] = log["args"]["claims"]
    for _ in in_spans(
        from_block, newest, lambda start, end: claimed.get_logs(from_block=start, to_block=end)
    ):
        paid += 1
    return _Counted(of_batch, paid)
