"""Schnorr signatures on the septic curve: keys, signing, and the rule that a circuit lays out step by step.

    secret s, key A = s G            nonce k, commitment R = k G
    e = first 124 bits of Poseidon(SIGNATURE_CHALLENGE; R, A, message)
    response = k + e s               valid when response G - e A = R, computed by `prover.curve.comb`

An encoded key is 14 field elements; an encoded signature is the 14 of R and the response in 14 limbs of 16 bits.
`verify_comb` is the definition; docs/signatures.md says what is signed and why.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Final

from prover.curve.comb import Comb, CombPart, ExceptionalAddition, run_comb
from prover.curve.formulas import Element
from prover.curve.septic import (
    ORDER,
    POINT_ELEMENTS,
    Point,
    PointRefusal,
    decode,
    encode,
    multiply_generator,
)
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.keccak import keccak256
from prover.hash.poseidon import POSEIDON16_20, POSEIDON16_36, PoseidonParameters, sponge
from rollup.authority import Coordinate, Signature, TradingKey
from rollup.units import (
    WIDTH_BITS,
    WORD_BITS,
    AccountId,
    Address,
    ChainId,
    FieldElement,
    Scalar,
    SuiteId,
    limbs_of,
    number_of,
)

CHALLENGE_ELEMENTS: Final = 4
"""Digest elements that make the challenge: 124 bits, above the 108 of the group itself."""

ELEMENT_BITS: Final = 31
"""Bits of one canonical field element."""

RESPONSE_LIMBS: Final = 14
"""217 bits in whole limbs of 16."""

SIGNATURE_ELEMENTS: Final = POINT_ELEMENTS + RESPONSE_LIMBS

SECRET_BYTES: Final = 28

NONCE_DOMAIN: Final = b"options clearing rollup: signature nonce"
DERIVATION_DOMAIN: Final = b"options clearing rollup: trading key from a wallet signature"

SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of the group that wallets sign in."""


class SignatureSuite(IntEnum):
    """What a key signs with; part of the account's leaf and the first element of every message."""

    SEPTIC_POSEIDON16_20 = 1
    SEPTIC_POSEIDON16_36 = 2


SUITE_HASHES: Final[Mapping[int, PoseidonParameters]] = {
    SignatureSuite.SEPTIC_POSEIDON16_20: POSEIDON16_20,
    SignatureSuite.SEPTIC_POSEIDON16_36: POSEIDON16_36,
}
"""The challenge's hash in each suite; group and comb are the same in both."""

PROVEN_SUITES: Final = frozenset({int(SignatureSuite.SEPTIC_POSEIDON16_20)})
"""Suites whose signatures the circuits prove; the others are the reserve.

A key of another suite could sign a trade that the rules accept and no proof can contain: the batch would never be
accepted, and nothing after it.
"""


class SignatureRefusal(StrEnum):
    """Why a key or a signature is refused; the rules know only `signature_invalid` and `key_refused`."""

    SUITE_UNKNOWN = "suite_unknown"
    """No suite has this id."""
    KEY_NOT_A_POINT = "key_not_a_point"
    """The key is not fourteen canonical coordinates of a point of the curve."""
    COMMITMENT_NOT_A_POINT = "commitment_not_a_point"
    """R is not fourteen canonical coordinates of a point of the curve."""
    RESPONSE_NOT_LIMBS = "response_not_limbs"
    """The response is not fourteen limbs of sixteen bits."""
    RESPONSE_NOT_REDUCED = "response_not_reduced"
    """The response is not below the order: response and response + order would both verify."""
    MESSAGE_NOT_CANONICAL = "message_not_canonical"
    """A message element is not a canonical field element."""
    MESSAGE_OF_OTHER_SUITE = "message_of_other_suite"
    """The message does not begin with the suite of the key."""
    KEY_CANNOT_SIGN = "key_cannot_sign"
    """An addition of the key's table is exceptional, so that no signature of this key verifies."""
    ADDITION_EXCEPTIONAL = "addition_exceptional"
    """An addition of the comb is exceptional."""
    EQUATION_FAILS = "equation_fails"
    """The comb does not end at R."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The logarithm of a trading key; its number is not shown when it is printed."""

    suite: SignatureSuite
    scalar: int = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.scalar < ORDER:
            raise ValueError("a secret key lies between 1 and the group's order less one")

    @property
    def trading_key(self) -> TradingKey:
        """The key that others see."""
        return trading_key_from(self.suite, _point_of(self.scalar))


@dataclass(frozen=True, slots=True)
class MessageHeader:
    """What every signed message begins with, so that a signature is good in one place only."""

    suite: SignatureSuite
    chain_id: ChainId
    contract: Address
    account_id: AccountId
    transaction_tag: int
    """The wire tag of the transaction's type."""

    @property
    def elements(self) -> tuple[int, ...]:
        """Eighteen elements: suite, 4 limbs of chain, 10 of contract, 2 of account, tag; lowest limb first."""
        return (
            int(self.suite),
            *limbs_of(self.chain_id, 64),
            *limbs_of(self.contract, 160),
            *limbs_of(self.account_id, 32),
            *limbs_of(self.transaction_tag, 16),
        )


@dataclass(frozen=True, slots=True)
class SignatureWitness:
    """A signature that was verified, with every value that a circuit lays out."""

    key: TradingKey
    message: tuple[int, ...]
    signature: Signature
    challenge_elements: tuple[int, ...]
    challenge: int
    comb: Comb


def key_elements(key: TradingKey) -> tuple[int, ...]:
    """The fourteen field elements that a leaf and the queue hold."""
    return key.x + key.y


def signature_elements(signature: Signature) -> tuple[int, ...]:
    """Fourteen coordinates of R, then fourteen limbs of the response, lowest first."""
    return (
        signature.commitment_x + signature.commitment_y + limbs_of(signature.response, WIDTH_BITS["Scalar"])
    )


def decode_signature(elements: Sequence[int]) -> Signature | SignatureRefusal:
    """Read a signature from its twenty-eight numbers, or say why it is refused."""
    commitment = decode(elements[:POINT_ELEMENTS])
    if isinstance(commitment, PointRefusal):
        return SignatureRefusal.COMMITMENT_NOT_A_POINT
    limbs = tuple(elements[POINT_ELEMENTS:])
    if len(limbs) != RESPONSE_LIMBS or not all(0 <= limb < 1 << WORD_BITS for limb in limbs):
        return SignatureRefusal.RESPONSE_NOT_LIMBS
    response = number_of(limbs)
    return (
        SignatureRefusal.RESPONSE_NOT_REDUCED if response >= ORDER else signature_from(commitment, response)
    )


@lru_cache(maxsize=1 << 14)
def key_refusal(key: TradingKey) -> SignatureRefusal | None:
    """Say why a key may not be registered; the identity needs no case, because it has no coordinates.

    A key that cannot sign may be: docs/signatures.md says why that hurts nobody but its owner.
    Remembered, because an account signs many messages.
    """
    if key.suite not in SUITE_HASHES:
        return SignatureRefusal.SUITE_UNKNOWN
    point = decode(key_elements(key))
    # Soundness: cut elsewhere than in the middle, the same numbers would be a second spelling of one key.
    return SignatureRefusal.KEY_NOT_A_POINT if isinstance(point, PointRefusal) or point.x != key.x else None


def challenge_elements(key: TradingKey, commitment: Point, message: Sequence[int]) -> tuple[int, ...]:
    """The four digest elements that are the challenge.

    Soundness: without the key in the hash a signature would verify under other keys made to fit it.
    """
    elements = encode(commitment) + key_elements(key) + tuple(message)
    digest = sponge(SUITE_HASHES[key.suite], HashKind.SIGNATURE_CHALLENGE, elements)
    return digest[:CHALLENGE_ELEMENTS]


def challenge_number(elements: Sequence[int]) -> int:
    """The challenge as a number: the canonical 31 bits of each element, the first element lowest."""
    return sum(element << ELEMENT_BITS * index for index, element in enumerate(elements))


def form_refusal(key: TradingKey, message: Sequence[int], signature: Signature) -> SignatureRefusal | None:
    """Say what is wrong with the numbers themselves, before any is hashed or added.

    Nothing is taken on trust from the types: coordinates and numbers are read as if they came from outside.
    """
    refusal = key_refusal(key)
    if refusal is not None:
        return refusal
    commitment = decode(signature.commitment_x + signature.commitment_y)
    if isinstance(commitment, PointRefusal) or commitment.x != signature.commitment_x:
        return SignatureRefusal.COMMITMENT_NOT_A_POINT
    if not 0 <= signature.response < ORDER:
        return SignatureRefusal.RESPONSE_NOT_REDUCED
    if message and not 0 <= min(message) <= max(message) < PRIME:
        return SignatureRefusal.MESSAGE_NOT_CANONICAL
    if not message or message[0] != key.suite:
        return SignatureRefusal.MESSAGE_OF_OTHER_SUITE
    return None


def verify_comb(
    key: TradingKey, message: Sequence[int], signature: Signature
) -> SignatureWitness | SignatureRefusal:
    """Verify a signature and give the whole witness, or say why it is refused."""
    refusal = form_refusal(key, message, signature)
    if refusal is not None:
        return refusal
    commitment = Point(signature.commitment_x, signature.commitment_y)
    elements = challenge_elements(key, commitment, message)
    challenge = challenge_number(elements)
    comb = run_comb(Point(key.x, key.y), signature.response, challenge)
    if isinstance(comb, ExceptionalAddition):
        is_of_key = comb.part is CombPart.KEY_TABLE
        return SignatureRefusal.KEY_CANNOT_SIGN if is_of_key else SignatureRefusal.ADDITION_EXCEPTIONAL
    if comb.result != commitment:
        return SignatureRefusal.EQUATION_FAILS
    return SignatureWitness(key, tuple(message), signature, elements, challenge, comb)


def verify(key: TradingKey, message: Sequence[int], signature: Signature) -> bool:
    """Say whether the signature is valid."""
    return isinstance(verify_comb(key, message, signature), SignatureWitness)


def sign(secret: SecretKey, message: Sequence[int]) -> Signature:
    """Sign a message of canonical elements that begins with the key's suite.

    The nonce is a hash of the secret and the message: two messages never share one, which would give the secret away,
    and no source of randomness can fail.
    """
    if not message or message[0] != secret.suite:
        raise ValueError("a message begins with the suite of its key")
    attempt = 0
    while (signature := _sign_once(secret, message, attempt)) is None:
        attempt += 1
    return signature


@dataclass(frozen=True, slots=True)
class SepticSchnorr:
    """The scheme as the rules ask for it: the port `rollup.authority.SignatureCheck`."""

    def accepts_key(self, key: TradingKey) -> bool:
        """Say whether signatures of the suite can be proved and the key may be registered under it."""
        return key.suite in PROVEN_SUITES and key_refusal(key) is None

    def is_valid(self, key: TradingKey, message: tuple[int, ...], signature: Signature) -> bool:
        """Say whether the signature of these message elements verifies under the key."""
        return verify(key, message, signature)


def random_secret_key(suite: SignatureSuite) -> SecretKey:
    """Draw a key from the operating system's randomness."""
    return SecretKey(suite, 1 + secrets.randbelow(ORDER - 1))


def secret_key_from_wallet_signature(suite: SignatureSuite, wallet_signature: bytes) -> SecretKey:
    """Derive a key from the 65-byte ECDSA signature r || s || v of `key_typed_data`.

    Only r and the smaller of s and n - s count: wallets differ in how they write v and in which s they give.
    The wallet must sign deterministically (RFC 6979): have it sign twice and compare before money depends on it.
    The signature is as secret as the key.
    """
    if len(wallet_signature) != 65:
        raise ValueError("a wallet's signature has 65 bytes; for a contract wallet draw a random key")
    r, s = int.from_bytes(wallet_signature[:32]), int.from_bytes(wallet_signature[32:64])
    if not (0 < r < SECP256K1_ORDER and 0 < s < SECP256K1_ORDER):
        raise ValueError("not an ECDSA signature: r and s lie between 1 and the order less one")
    seed = suite.to_bytes(2) + r.to_bytes(32) + min(s, SECP256K1_ORDER - s).to_bytes(32)
    return SecretKey(suite, _scalar_from_hash(DERIVATION_DOMAIN, seed))


def key_typed_data(
    suite: SignatureSuite, chain_id: ChainId, contract: Address, owner: Address, key_number: int
) -> dict[str, object]:
    """The EIP-712 typed data that a wallet signs so that a trading key can be derived.

    Chain and contract are in the domain, so another venue's page cannot ask for this key without the wallet showing it.
    """
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "PublicKey": [
                {"name": "warning", "type": "string"},
                {"name": "owner", "type": "address"},
                {"name": "signatureSuite", "type": "uint16"},
                {"name": "keyNumber", "type": "uint32"},
            ],
        },
        "primaryType": "PublicKey",
        "domain": {
            "name": "Options Clearing House",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": _address_text(contract),
        },
        "message": {
            "warning": KEY_WARNING,
            "owner": _address_text(owner),
            "signatureSuite": int(suite),
            "keyNumber": key_number,
        },
    }


KEY_WARNING: Final = (
    "This signature IS your trading key. Whoever has it can trade, transfer and withdraw in your name. "
    "Sign it only on the clearing house's own page and never send it to anyone."
)
"""Shown by the wallet: for a deterministic signer the signature and the key are the same secret."""


def _address_text(address: Address) -> str:
    return "0x" + address.to_bytes(20).hex()


def _coordinate(element: Element) -> Coordinate:
    c0, c1, c2, c3, c4, c5, c6 = map(FieldElement, element)
    return (c0, c1, c2, c3, c4, c5, c6)


def signature_from(commitment: Point, response: int) -> Signature:
    """Type the parts of a signature."""
    return Signature(_coordinate(commitment.x), _coordinate(commitment.y), Scalar(response))


def trading_key_from(suite: SignatureSuite, point: Point) -> TradingKey:
    """Type the parts of a key."""
    return TradingKey(SuiteId(suite), _coordinate(point.x), _coordinate(point.y))


def _point_of(scalar: int) -> Point:
    """A multiple of the generator that is known not to be the identity."""
    point = multiply_generator(scalar)
    if point is None:
        raise ArithmeticError("the scalar is a multiple of the order")
    return point


def _sign_once(secret: SecretKey, message: Sequence[int], attempt: int) -> Signature | None:
    """Sign with the nonce of one attempt; None after an exceptional addition, which nobody will ever see.

    The comb is run for another reason too: a processor's error in the response could give the secret away.
    """
    key, nonce = secret.trading_key, nonce_of(secret, message, attempt)
    commitment = _point_of(nonce)
    challenge = challenge_number(challenge_elements(key, commitment, message))
    response = (nonce + challenge * secret.scalar) % ORDER
    comb = run_comb(Point(key.x, key.y), response, challenge)
    if isinstance(comb, ExceptionalAddition):
        if comb.part is CombPart.KEY_TABLE:
            raise ValueError("no signature of this key verifies: draw another")
        return None
    if comb.result != commitment:
        raise ArithmeticError("the signature just made does not verify")
    return signature_from(commitment, response)


def nonce_of(secret: SecretKey, message: Sequence[int], attempt: int) -> int:
    """The nonce of one attempt: never zero, and as good as random to whoever does not know the secret."""
    encoded = b"".join(element.to_bytes(4) for element in message)
    seed = secret.suite.to_bytes(2) + secret.scalar.to_bytes(SECRET_BYTES) + attempt.to_bytes(4) + encoded
    return _scalar_from_hash(NONCE_DOMAIN, seed)


def _scalar_from_hash(domain: bytes, seed: bytes) -> int:
    """A number from 1 to the order less one: 512 bits of Keccak reduced, so the bias is below 2^-294."""
    wide = b"".join(keccak256(domain + bytes([block]) + seed) for block in range(2))
    return 1 + int.from_bytes(wide) % (ORDER - 1)
