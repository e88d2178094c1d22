"""What people can take out of a frozen clearing house, out of Ethereum's own data: no node is asked.

The state is repeated from the published batches up to the last proved one, and must have the root that the contract
believes. Everything else is the contracts' word: which groups have been shown, who has left, what has been paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any, Final

from prover.hash.poseidon import POSEIDON16_20
from rollup.binding import packed
from rollup.claims import claim_path
from rollup.codec import BatchContent, decode_batch
from rollup.exit import Share, account_leaf, account_path, group_leaf, group_path, position_word, share_of
from rollup.fields import from_words
from rollup.node.block_spans import in_spans
from rollup.node.deployment import contract_at, find_house
from rollup.node.ethereum import Ethereum, EthereumError
from rollup.node.published import published_batches
from rollup.rebuild import RebuildError, rebuild
from rollup.schnorr import SepticSchnorr
from rollup.state import Account, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit
from rollup.units import BatchNumber, GroupId

DEPOSIT_TAG: Final = 0


@dataclass(frozen=True, slots=True)
class WaitingDeposit:
    """A deposit that no proved batch has served."""

    position: int
    item: Deposit
    is_refunded: bool


@dataclass(frozen=True, slots=True)
class ProvedClaim:
    """A withdrawal out of a proved batch."""

    batch: int
    index: int
    amount: int
    is_paid: bool


@dataclass(frozen=True)
class ExitBook:
    """One clearing house and the last state that its contract believes."""

    ethereum: Ethereum
    contract: Any
    exits: Any
    first_block: int
    frozen_at: int
    """Zero while it runs: then all this is what people could take if it stopped now."""
    state: State
    batches: tuple[BatchContent, ...]
    """The proved ones, in order."""

    @cached_property
    def tree(self) -> StateTree:
        """The tree whose root the contract believes."""
        return StateTree.of_state(self.state, KernelHasher(POSEIDON16_20))

    # ------------------------------------------------------------------------------------------------ reading

    def account_of(self, owner: str) -> Account | None:
        """The account of an owner in the proved state."""
        return self.state.account(int(self.contract.functions.accountOf(owner).call()))

    def has_left(self, account: Account) -> bool:
        """Say whether an account has taken its cash."""
        return int(self.exits.functions.departure(account.account).call()[0], 16) != 0

    def is_shown(self, group: GroupId) -> bool:
        """Say whether somebody has shown a group's leaf."""
        return bool(self.exits.functions.terms(group).call()[0])

    def is_taken(self, account: Account, group: GroupId) -> bool:
        """Say whether an account has taken its share of a group."""
        return bool(self.exits.functions.isTaken(account.account, group).call())

    def price_of(self, group: GroupId) -> int | None:
        """The price of a group that the proved state has not fixed, as `Exits.priceOf` finds it."""
        price, _, is_adopted = self.exits.functions.notice(group).call()
        if is_adopted:
            return int(price)
        listed = self.contract.functions.group(group).call()
        return int(listed[3]) if listed[2] else None

    def share(self, account: Account) -> Share:
        """What an account may take, or has taken."""
        return share_of(self.state, account, self.price_of)

    def deposits_of(self, payer: str) -> list[WaitingDeposit]:
        """Deposits of a payer that wait, or have been refunded."""
        first = int(self.contract.functions.provedQueue().call())
        found = []
        for log in self._events(self.contract.events.QueueItemAdded()):
            values = log["args"]
            if values["position"] < first or values["tag"] != DEPOSIT_TAG:
                continue
            item = from_words(Deposit, bytes(values["body"]))
            if item.payer == int(payer, 16):
                position = int(values["position"])
                is_refunded = bool(self.exits.functions.isRefunded(position).call())
                found.append(WaitingDeposit(position, item, is_refunded))
        return found

    def claims_of(self, owner: str) -> list[ProvedClaim]:
        """Withdrawals of an owner out of proved batches."""
        return [
            ProvedClaim(
                content.number,
                index,
                claim.amount,
                bool(self.contract.functions.isClaimed(content.number, index).call()),
            )
            for content in self.batches
            for index, claim in enumerate(content.claims)
            if claim.owner == int(owner, 16)
        ]

    def _events(self, event: Any) -> Iterator[Any]:
        """Every event of one kind, oldest first, in pieces that public nodes answer."""
        newest = self.ethereum.web3.eth.block_number
        yield from in_spans(
            self.first_block, newest, lambda start, end: event.get_logs(from_block=start, to_block=end)
        )

    # -------------------------------------------------------------------------------------------------- calls

    def show_group(self, group: GroupId) -> Any:
        """The call that shows a group's leaf; anyone may send it."""
        found = self.state.group(group)
        if found is None:
            raise LookupError(f"group {group} is not in the proved state")
        leaf = group_leaf(found, self.tree.hasher)
        return self.exits.functions.showGroup(astuple(leaf), list(group_path(self.tree, group)))

    def take_cash(self, account: Account, recipient: str) -> Any:
        """The call with which an account leaves; its owner sends it."""
        path = list(account_path(self.tree, account))
        return self.exits.functions.takeCash(astuple(account_leaf(account)), path, recipient)

    def take_group(self, account: Account, group: GroupId, recipient: str) -> Any:
        """The call that takes an account's share of a group."""
        positions = [position_word(position) for position in account.positions]
        return self.exits.functions.takeGroup(account.account, group, positions, recipient)

    def refund(self, deposit: WaitingDeposit, recipient: str) -> Any:
        """The call that takes a deposit back; its payer sends it."""
        item = deposit.item
        owner = self.ethereum.web3.to_checksum_address(f"0x{item.owner:040x}")
        return self.exits.functions.refund(deposit.position, item.account, owner, item.amount, recipient)

    def claim(self, claim: ProvedClaim, recipient: str) -> Any:
        """The call that collects a claim."""
        listed = self.batches[claim.batch - 1].claims
        path = claim_path(BatchNumber(claim.batch), listed, claim.index)
        return self.contract.functions.claim(claim.batch, claim.index, claim.amount, recipient, path)


def read_exit_book(ethereum: Ethereum, address: str, first_block: int) -> ExitBook:
    """Repeat the published batches up to the last proved one, and insist on the root that the contract believes."""
    house = find_house(ethereum, address, first_block)
    contract = contract_at(ethereum, "ClearingHouse", house.contract)
    exits = contract_at(ethereum, "Exits", str(contract.functions.exits().call()))
    proved = int(contract.functions.provedBatch().call())
    published = published_batches(ethereum, contract, first_block)[:proved]
    if len(published) < proved:
        raise EthereumError(
            f"the chain's logs show {len(published)} of {proved} proved batches: an earlier --from-block is needed"
        )
    state = rebuild(house.genesis(), published, SepticSchnorr())
    book = ExitBook(
        ethereum,
        contract,
        exits,
        first_block,
        int(contract.functions.frozenAt().call()),
        state,
        tuple(decode_batch(data) for data in published),
    )
    believed = int(contract.functions.batch(proved).call()[0])
    if packed(book.tree.root) != believed:
        raise RebuildError(f"it does not lead to the root of batch {proved} that the contract believes")
    return book
