"""Checks that several transactions share: who exists, who signed, what margin is left."""

from __future__ import annotations

from functools import lru_cache

from rollup.authority import Signature, SignatureCheck
from rollup.events import LeafChange, SignatureChecked
from rollup.fields import signed_limbs
from rollup.instruments import Group
from rollup.margin import Margin, margin_of
from rollup.outcome import RuleBrokenError, require
from rollup.rejections import Rejection
from rollup.schnorr import MessageHeader, SignatureSuite
from rollup.state import Account, Deployment, Leaf, State, index_of_leaf
from rollup.units import WIDTH_BITS, AccountId, Address, GroupId, Nonce, OrderNumber, SuiteId


@lru_cache(maxsize=1 << 16)
def _header(deployment: Deployment, suite: SuiteId, account: AccountId, tag: int) -> tuple[int, ...]:
    """Spell a message's header; an account signs many messages under one."""
    header = MessageHeader(SignatureSuite(suite), deployment.chain, deployment.contract, account, tag)
    return header.elements


def message_of(
    deployment: Deployment, suite: SuiteId, account: AccountId, tag: int, signed: object
) -> tuple[int, ...]:
    """Spell what a trading key signs: where, who and what kind of transaction, then every field."""
    return _header(deployment, suite, account, tag) + signed_limbs(signed)


def known_account(state: State, account: int) -> Account:
    """Find an account."""
    found = state.account(account)
    if found is None:
        raise RuleBrokenError(Rejection.ACCOUNT_UNKNOWN)
    return found


def owned_account(state: State, account: int, owner: Address) -> Account:
    """Find an account that belongs to an address.

    Soundness: the contract has checked it already; a slip there must not hand one owner another's account.
    """
    found = known_account(state, account)
    require(found.owner == owner, Rejection.NOT_OWNER)
    return found


def known_group(state: State, group: GroupId) -> Group:
    """Find a group."""
    found = state.group(group)
    if found is None:
        raise RuleBrokenError(Rejection.GROUP_UNKNOWN)
    return found


def met_margin(state: State, account: Account) -> Margin:
    """Compute an account's margin and require that its cash covers it."""
    require(account.cash >= 0, Rejection.CASH_INSUFFICIENT)
    margin = margin_of(account.positions, state.group)
    require(account.cash >= margin.requirement, Rejection.MARGIN_NOT_MET)
    return margin


def checked_signature(
    state: State, account: AccountId, tag: int, signed: object, signature: Signature, check: SignatureCheck
) -> SignatureChecked:
    """Require that an account's trading key signed these fields for this clearing house."""
    holder = known_account(state, account)
    if holder.key is None:
        raise RuleBrokenError(Rejection.KEY_MISSING)
    deployment = state.system.deployment
    message = message_of(deployment, holder.key.suite, account, tag, signed)
    require(check.is_valid(holder.key, message, signature), Rejection.SIGNATURE_INVALID)
    return SignatureChecked((), account, holder.key, message, signature)


def check_nonce(account: Account, nonce: Nonce) -> None:
    """Require the next nonce.

    Soundness: without it a transfer could be replayed until the account is empty.
    """
    require(nonce == account.nonce, Rejection.NONCE_NOT_NEXT)


def with_nonce_used(account: Account) -> Account:
    """The same account one nonce later, if there is one.

    Here, not beside the nonce's comparison, because a published record does not repeat the nonce.
    """
    require(account.nonce + 1 < 1 << WIDTH_BITS["Nonce"], Rejection.NONCE_EXHAUSTED)
    return account.with_nonce_used()


def raised_floor(account: Account, floor: OrderNumber) -> Account:
    """Raise an account's floor of order numbers."""
    require(floor > account.order_floor, Rejection.FLOOR_NOT_RAISED)
    return Account(
        account.account, account.owner, account.key, account.nonce, floor, account.cash, account.positions
    )


def changes_to(before: State, *after: Leaf) -> tuple[LeafChange, ...]:
    """Describe leaves about to be written.

    Assumes: no two of them share a place.
    """
    return tuple(
        LeafChange(index, before.leaves.get(index), leaf)
        for leaf in after
        for index in (index_of_leaf(leaf),)
    )
