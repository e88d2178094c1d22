"""What the tables of signed transactions share: header, message, and the key that signed it.

    block 3 of the call     key y3 .. y6, suite, chain 0 .. 2
    block 4                 chain 3, contract 0 .. 6
    block 5                 contract 7 .. 9, account 0 .. 1, tag, the first fields
    ...                     the last one filled with zeros

The signature table sends blocks 0 to 2 and asks for the digest; a call balances only if somebody sends the others.
So a row that sends them shares the call with a verified signature under the key of its key number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import IDENTITY_KEYS, KEY_ENDS, SPONGE
from circuits.gadgets.pieces import Pieces
from circuits.poseidon import PARAMETERS
from circuits.record import field_of
from circuits.signature import NO_LABEL
from circuits.signed_messages import FIRST_BLOCK, KEY_END_ELEMENTS
from circuits.statement import CHAIN, CONTRACT
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import RATE
from rollup.fields import layout_of
from rollup.schnorr import SUITE_HASHES, SignatureSuite
from rollup.units import WORD_BITS

SIGNER: Final = ("call", "key number", *(f"key y{i}" for i in range(7 - KEY_END_ELEMENTS, 7)), "identity")
"""The columns that say who signed, in the order of `fill_signer`."""

SUITE: Final = next(suite for suite, hashed in SUITE_HASHES.items() if hashed is PARAMETERS)
"""The suite whose challenges the Poseidon table computes."""


def constrain_signer(
    air: AirBuilder,
    is_live: Expression,
    signed: type,
    tag: int,
    account: Pieces,
    fields: Mapping[str, Pieces],
) -> Expression:
    """Send the message into its signature's sponge call and look the key up by the identity, which is returned.

    Assumes: limbs of account and fields are bounded by their widths; identities and keys are what their buses say.
    Guarantees: the key of the identity, which is this account's, signed these fields under this tag for this chain and
    contract.
    """
    call, key_number, *key_end, identity = air.columns(*SIGNER)
    header: list[Operand] = [
        # Soundness: the suite says how the challenge was hashed; a signature of one suite is none of another.
        int(SignatureSuite(SUITE)),
        # Soundness: without chain and contract a signature for another clearing house would serve here.
        *(air.public(name) for name in (*CHAIN, *CONTRACT)),
        *account.limbs,
        # Soundness: without the tag a signed transfer could be read as a signed withdrawal.
        tag,
    ]
    elements = [*key_end, *header, *message_limbs(signed, fields)]
    length = FIRST_BLOCK * RATE + len(elements)
    # Soundness: without the key's end the message's first block could be another key's.
    air.send(KEY_ENDS, [key_number, *key_end], when=is_live)
    # Soundness: without the identity anybody's key would do.
    air.send(IDENTITY_KEYS, [identity, account.element, key_number], when=is_live)
    for start in range(0, len(elements), RATE):
        block = elements[start : start + RATE]
        place = FIRST_BLOCK + start // RATE
        kind = int(HashKind.SIGNATURE_CHALLENGE)
        tags: list[Operand] = [call, key_number, place, kind, length, NO_LABEL]
        air.send(SPONGE, [*tags, *block, *[0] * (RATE - len(block))], when=is_live)
    return identity


def message_limbs(signed: type, fields: Mapping[str, Pieces]) -> list[Expression]:
    """Everything but the signature in limbs, as `rollup.fields.signed_limbs` spells it."""
    layout = layout_of(signed)
    limbs = []
    for place, shift in layout.limb_shifts:
        number = field_of(signed, fields, layout.fields[place])
        limbs.append(number.between(shift, shift + WORD_BITS))
    return limbs


def fill_signer(
    calls: NDArray[np.int64],
    key_numbers: NDArray[np.int64],
    key_ends: Montgomery,
    identities: NDArray[np.int64],
) -> Montgomery:
    """The columns of `SIGNER`: (7, n)."""
    return np.concatenate(
        [encode(np.stack([calls, key_numbers])), key_ends, encode(np.asarray(identities)[None, :])]
    )
