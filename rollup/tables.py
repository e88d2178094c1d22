"""Tables for documents, derived from the registry so that they cannot drift from it."""

from __future__ import annotations

from rollup.codec import TAG_BYTES, BatchHeader, QueuedAt
from rollup.events import Claim
from rollup.fields import fields_of, packed_bytes, word_bytes
from rollup.rejections import Rejection
from rollup.transactions import TRANSACTIONS, Entry


def published_bytes(entry: Entry) -> int:
    """Bytes that one of these takes in a batch's data, without a claim it may make."""
    if entry.is_from_queue:
        return TAG_BYTES + word_bytes(QueuedAt) + word_bytes(entry.published)
    return packed_bytes(entry.published)


def _names(kind: type) -> str:
    """List the fields of a class, nested ones by their first part."""
    return ", ".join(dict.fromkeys(field.path.split(".")[0] for field in fields_of(kind)))


def transactions_table() -> list[str]:
    """One line a transaction: tag, authority, bytes, fields and rule."""
    return [
        "| tag | transaction | authority | L1 bytes | fields | rule |",
        "|---|---|---|---|---|---|",
        *(
            f"| {tag} | {entry.name} | {entry.authority} | {published_bytes(entry)} "
            f"| {_names(entry.submitted)} | {entry.rule} |"
            for tag, entry in enumerate(TRANSACTIONS)
        ),
    ]


def header_table() -> list[str]:
    """The header of a batch's data with its constant offsets."""
    lines, offset = ["| offset | bytes | header field |", "|---|---|---|"], 0
    for field in fields_of(BatchHeader):
        lines.append(f"| {offset} | {2 * field.words} | {field.path} |")
        offset += 2 * field.words
    lines.append(f"| {offset} | | queue items, then records; the last {word_bytes(Claim)} bytes a claim |")
    return lines


def rejections_table() -> list[str]:
    """Every reason for a refusal."""
    # An enum keeps no docstrings of its members, so the document names them and the source explains them.
    names = [f"`{rejection.value}`" for rejection in Rejection]
    return [", ".join(names) + "."]
