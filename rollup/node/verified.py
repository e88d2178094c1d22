"""Signatures that are known to be valid, so that each is verified once, many at a time.

The rules ask again at every trade; the answer must cost a look-up, not a chain of point additions.
What is not known is verified on the spot: forgetting costs time and never changes an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from rollup.admission import message_of
from rollup.authority import Signature, SignatureCheck, TradingKey
from rollup.batch import Batch
from rollup.fields import is_in_range
from rollup.outcome import RuleBrokenError, Transaction
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.schnorr_batch import SignedMessage, sign_many, verify_many
from rollup.state import State
from rollup.transactions import TAGS, CancelOrders, RegisterKey, Trade, Transfer, Withdrawal
from rollup.units import AccountId

Statement = tuple[TradingKey, tuple[int, ...]]
"""What a signature says: whose word, and which."""

REMEMBERED: Final = 1 << 18
"""Signatures of one generation; two generations are kept, some 300 MB at most.

An order that outlives them in the book costs one verification when it trades.
"""


FORGOTTEN_AT_ONCE: Final = 2
"""So a generation is gone when the next one is half full."""


class VerifiedSignatures:
    """The port `rollup.authority.SignatureCheck` with a memory in front of a real scheme."""

    def __init__(self, scheme: SignatureCheck, *, remembered: int = REMEMBERED) -> None:
        self._scheme = scheme
        self._remembered = remembered
        self._young: dict[Signature, Statement] = {}
        self._old: dict[Signature, Statement] = {}
        self._gone: dict[Signature, Statement] = {}
        """What is forgotten, let go of a little at a time: all of it at once would take a third of a second."""

    def accepts_key(self, key: TradingKey) -> bool:
        """Say whether a key may be registered."""
        return self._scheme.accepts_key(key)

    def is_valid(self, key: TradingKey, message: tuple[int, ...], signature: Signature) -> bool:
        """Say whether a signature is valid.

        Soundness: the whole statement is compared; a signature that is known for one message says nothing of another.
        """
        known = self._young.get(signature) or self._old.get(signature)
        if known is not None and known == (key, message):
            return True
        if not self._scheme.is_valid(key, message, signature):
            return False
        self.remember(key, message, signature)
        return True

    def remember(self, key: TradingKey, message: tuple[int, ...], signature: Signature) -> None:
        """Note a signature that was verified elsewhere: by a batch, or before it went into the journal."""
        if len(self._young) >= self._remembered:
            self._gone, self._old, self._young = self._old, self._young, {}
        self._young[signature] = (key, message)
        for _ in range(FORGOTTEN_AT_ONCE):
            if self._gone:
                self._gone.popitem()


def verified_together(signed: Sequence[SignedMessage]) -> list[bool]:
    """Verify many signatures at once; the numbers are anybody's, so each answer stands alone."""
    return [refusal is None for refusal in verify_many(signed)]


def verified_for(state: State, batch: Batch) -> VerifiedSignatures:
    """A check that knows the signatures of a whole batch, verified together before its transactions are applied.

    Which key an account has by then is guessed: the last one that the batch's queue items name, or the one it had.
    Where the guess is wrong a signature is verified when it is met: nothing is assumed.
    """
    deployment = state.system.deployment
    registered = dict(_registered_keys(batch))
    messages = []
    for account, tag, signed, signature in _signed_parts(batch.transactions):
        holder = state.account(account)
        key = registered.get(account, holder.key if holder is not None else None)
        if key is not None and is_in_range(signed):
            elements = message_of(deployment, key.suite, account, tag, signed)
            messages.append(SignedMessage(key, elements, signature))
    check = VerifiedSignatures(SepticSchnorr(), remembered=max(1, len(messages)))
    for message, is_valid in zip(messages, verified_together(messages), strict=True):
        if is_valid:
            check.remember(*message)
    return check


def _registered_keys(batch: Batch) -> Iterator[tuple[AccountId, TradingKey]]:
    """The keys that a batch's queue items name, whether or not the rules take them."""
    for queued in batch.items:
        if isinstance(queued.item, RegisterKey):
            # Elements that are not canonical name no key; the rules say so when they meet them.
            with suppress(RuleBrokenError):
                yield AccountId(queued.item.account), queued.item.new_key()


def _signed_parts(
    transactions: Iterable[Transaction],
) -> Iterator[tuple[AccountId, int, object, Signature]]:
    """Who signed what, under which tag."""
    for transaction in transactions:
        tag = TAGS[type(transaction)]
        if isinstance(transaction, Trade):
            for one in (transaction.buy, transaction.sell):
                yield one.order.account, tag, one.order, one.signature
        elif isinstance(transaction, Transfer):
            yield transaction.sender, tag, transaction, transaction.signature
        elif isinstance(transaction, Withdrawal | CancelOrders):
            yield transaction.account, tag, transaction, transaction.signature


def load_kernels() -> None:
    """Verify a signature of our own, so that the first person's order does not wait for kernels to be loaded."""
    secret = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 1 << 100)
    message = (int(secret.suite), *range(40))
    (signature,) = sign_many([secret], [message])
    if verified_together([SignedMessage(secret.trading_key, message, signature)]) != [True]:
        raise ArithmeticError("the kernels refuse a signature that they made")
