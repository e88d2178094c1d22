"""Signatures that are known to be valid, so that each is verified once, many at a time.

The rules ask again at every trade; the answer must cost a look-up, not a chain of point additions.
What is not known is verified on the spot: forgetting costs time and never changes an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rollup.authority import Signature, SignatureCheck, TradingKey
from rollup.schnorr import SecretKey, SignatureSuite
from rollup.schnorr_batch import SignedMessage, sign_many, verify_many

Statement = tuple[TradingKey, tuple[int, ...]]
"""What a signature says: whose word, and which."""

REMEMBERED: Final = 1 << 18
"""Signatures of one generation; two generations are kept, some 300 MB at most.

An order that outlives them in the book costs one verification when it trades.
"""


class VerifiedSignatures:
    """The port `rollup.authority.SignatureCheck` with a memory in front of a real scheme."""

    def __init__(self, scheme: SignatureCheck, *, remembered: int = REMEMBERED) -> None:
        self._scheme = scheme
        self._remembered = remembered
        self._young: dict[Signature, Statement] = {}
        self._old: dict[Signature, Statement] = {}

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
            self._old, self._young = self._young, {}
        self._young[signature] = (key, message)


def verified_together(signed: Sequence[SignedMessage]) -> list[bool]:
    """Verify many signatures at once; the numbers are anybody's, so each answer stands alone."""
    return [refusal is None for refusal in verify_many(signed).refusals]


def load_kernels() -> None:
    """Verify a signature of our own, so that the first person's order does not wait for kernels to be loaded."""
    secret = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 1 << 100)
    message = (int(secret.suite), *range(40))
    (signature,) = sign_many([secret], [message])
    if verified_together([SignedMessage(secret.trading_key, message, signature)]) != [True]:
        raise ArithmeticError("the kernels refuse a signature that they made")
