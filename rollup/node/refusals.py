"""The closed list of reasons for which the node refuses something that no rule of the clearing house forbids."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """One reason each; the value is its name on the wire and in documents."""

    BOOK_FULL = "book_full"
    """The book holds as many orders as this node allows."""
    BODY_TOO_LARGE = "body_too_large"
    """The request is longer than any this node answers."""
    BUSY = "busy"
    """More requests wait than the node can serve soon; nothing was done, so it may be sent again."""
    ETHEREUM_BEHIND = "ethereum_behind"
    """Closed batches have waited half an hour for Ethereum, which seals none that is an hour old; nothing was done."""
    GROUP_HAS_EXPIRED = "group_has_expired"
    """The group's expiry has passed by the node's clock, although not yet by the open batch's time."""
    MALFORMED = "malformed"
    """The request does not say what its route asks for."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """The route exists, but not with this method."""
    NOT_FOUND = "not_found"
    """There is nothing by this name."""
    NOT_SUBMITTED_HERE = "not_submitted_here"
    """Trades are made by the book, and queue items come from Ethereum."""
    OPEN_ORDERS_TOO_MANY = "open_orders_too_many"
    """The account has as many orders in the book as this node allows."""
    ORDER_NOT_IN_BOOK = "order_not_in_book"
    """No order of this account, slot and number is in the book."""
    ORDER_NUMBER_USED = "order_number_used"
    """The slot has already seen this number or a larger one."""
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    """The post-only order would trade at once."""
    RATE_EXCEEDED = "rate_exceeded"
    """Too many requests in a short time."""
    STOPPING = "stopping"
    """The node is about to stop; nothing was done."""
