"""What people send, read from its JSON or from a front, and the answer that a refusal makes.

Used by the node and by the fronts before it, so that both read and refuse alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from rollup.codec import encode_transaction
from rollup.fields import MalformedError, from_words
from rollup.node.engine import Reason
from rollup.node.inputs import (
    CancelRequest,
    InputKind,
    Submission,
    decode_submitted,
    words_of,
)
from rollup.node.refusals import Refusal
from rollup.node.wire import Json, cancel_from_json, order_from_json, transaction_from_json
from rollup.orders import SignedOrder
from rollup.rejections import Rejection

STATUS: Final[Mapping[Refusal, int]] = {
    Refusal.BODY_TOO_LARGE: 413,
    Refusal.BUSY: 503,
    Refusal.ETHEREUM_BEHIND: 503,
    Refusal.MALFORMED: 400,
    Refusal.METHOD_NOT_ALLOWED: 405,
    Refusal.NOT_FOUND: 404,
    Refusal.ORDER_NOT_IN_BOOK: 404,
    Refusal.RATE_EXCEEDED: 429,
    Refusal.STOPPING: 503,
}
"""What is not listed is 422, as every rejection: understood, and refused."""

UNPROCESSABLE: Final = 422

READERS: Final[Mapping[str, Callable[[Json], Submission]]] = {
    "/v1/orders": order_from_json,
    "/v1/cancels": cancel_from_json,
    "/v1/transactions": transaction_from_json,
}
"""What each route takes."""


class RefusedError(Exception):
    """Ends a request with a reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail


def read_submission(path: str, body: bytes) -> Submission:
    """Read what was sent to a route; refuses what does not say what the route asks for."""
    try:
        spelled = json.loads(body)
        if not isinstance(spelled, dict):
            raise MalformedError("the body is one JSON object")
        return READERS[path](spelled)
    except (MalformedError, ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, MalformedError) else "the body is not JSON"
        raise RefusedError(Refusal.MALFORMED, detail) from error


def refusal_answer(reason: Reason, detail: str = "") -> tuple[int, Json]:
    """The status and the body that a reason makes."""
    status = STATUS.get(reason, UNPROCESSABLE) if isinstance(reason, Refusal) else UNPROCESSABLE
    body: Json = {"error": reason.value, "origin": "rules" if isinstance(reason, Rejection) else "node"}
    return status, body | ({"detail": detail} if detail else {})


def spell_submission(submission: Submission) -> tuple[InputKind, bytes]:
    """Spell a submission as the journal does, without its time."""
    match submission:
        case SignedOrder():
            return InputKind.ORDER, words_of(submission)
        case CancelRequest():
            return InputKind.CANCEL, words_of(submission)
        case _:
            return InputKind.SUBMIT, encode_transaction(submission)


def spelled_submission(kind: InputKind, spelled: bytes) -> Submission:
    """Read it again, strictly."""
    match kind:
        case InputKind.ORDER:
            return from_words(SignedOrder, spelled)
        case InputKind.CANCEL:
            return from_words(CancelRequest, spelled)
        case InputKind.SUBMIT:
            return decode_submitted(spelled)
        case _:
            raise MalformedError("nobody submits this")
