"""Who signed what in a submission, and what a signature of it says: one place, asked by the node and by its fronts.

Soundness: the node believes a front's verdict on a message that it spells itself; were they spelled in two ways, a
signature of one thing could be taken for that of another.
"""

from __future__ import annotations

from typing import NamedTuple

from rollup.admission import message_of
from rollup.authority import Signature, TradingKey
from rollup.fields import is_in_range
from rollup.node.inputs import CANCEL_REQUEST_TAG, CancelRequest, Submission
from rollup.orders import SignedOrder
from rollup.schnorr_batch import SignedMessage
from rollup.state import Deployment
from rollup.transactions import TAGS, Trade
from rollup.units import AccountId


class SignedPart(NamedTuple):
    """Who signed what, under which tag."""

    account: AccountId
    tag: int
    signed: object
    signature: Signature


def signed_part(submission: Submission) -> SignedPart | None:
    """Find what is signed; None where nobody need sign."""
    match submission:
        case SignedOrder():
            # An order is signed as part of the trade it may become.
            return SignedPart(submission.order.account, TAGS[Trade], submission.order, submission.signature)
        case CancelRequest():
            return SignedPart(submission.account, CANCEL_REQUEST_TAG, submission, submission.signature)
        case _:
            signature = getattr(submission, "signature", None)
            signer = getattr(submission, "account", getattr(submission, "sender", None))
            if signature is None or signer is None:
                return None
            return SignedPart(signer, TAGS[type(submission)], submission, signature)


def claim_of(deployment: Deployment, key: TradingKey, part: SignedPart) -> SignedMessage | None:
    """What has to be verified under a key; None where a number is out of range, which the rules refuse anyway."""
    if not is_in_range(part.signed):
        return None
    message = message_of(deployment, key.suite, part.account, part.tag, part.signed)
    return SignedMessage(key, message, part.signature)
