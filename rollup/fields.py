"""Declared fields and what is derived from them: flat values, words, packed bits, and back.

A class declares its fields once, as quantities of `rollup.units`; nothing here knows a class by name.

    words    every field fills whole 16-bit words, high word first: submitted transactions, queue bodies
    packed   a 7-bit tag, then the fields bit by bit, one of at least a byte starting on a byte, zeros up to a
             whole word: what a batch publishes
    limbs    every field as 16-bit limbs, lowest first: what is hashed and signed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from itertools import accumulate
from operator import attrgetter, lt
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from prover.field.koalabear import PRIME
from rollup.units import ENUM_WIDTH_BITS, WIDTH_BITS, WORD_BITS

T = TypeVar("T")

TAG_BITS: int = 7
"""Width of a tag in packed records: with the flag of a trade it fills a byte."""


class MalformedError(ValueError):
    """Bytes that are not the canonical encoding of anything."""


@dataclass(frozen=True, slots=True)
class Field:
    """One number inside a class, however deeply nested."""

    path: str
    bits: int
    limit: int
    """The first value that is not allowed."""

    @property
    def words(self) -> int:
        """Whole words that hold the field."""
        return -(-self.bits // WORD_BITS)


def _leaf_field(path: str, kind: Any) -> Field:
    """Describe one number by its type."""
    if kind is bool:
        return Field(path, 1, 2)
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return Field(path, ENUM_WIDTH_BITS, len(kind))
    bits = WIDTH_BITS[kind.__name__]
    return Field(path, bits, PRIME if kind.__name__ == "FieldElement" else 1 << bits)


def _walk(path: str, kind: Any) -> Iterator[Field]:
    """List the numbers inside a type, in declared order."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for inner in fields(kind):
            yield from _walk(f"{path}.{inner.name}" if path else inner.name, hints[inner.name])
    elif get_origin(kind) is tuple:
        for position, element in enumerate(get_args(kind)):
            yield from _walk(f"{path}.{position}", element)
    else:
        yield _leaf_field(path, kind)


def _parts(path: str, kind: Any) -> Iterator[tuple[str, bool]]:
    """List what an attribute getter can fetch: single numbers, and tuples of numbers (True)."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for inner in fields(kind):
            yield from _parts(f"{path}.{inner.name}" if path else inner.name, hints[inner.name])
    else:
        yield path, get_origin(kind) is tuple


def _reader(kind: type) -> Callable[[Any], Sequence[int]]:
    """Build the function that reads a class's numbers in order, however deeply nested."""
    parts = tuple(_parts("", kind))
    names = [path for path, _ in parts]
    get = attrgetter(*names) if len(names) > 1 else _get_one(names[0])
    if not any(is_tuple for _, is_tuple in parts):
        return get
    are_tuples = [is_tuple for _, is_tuple in parts]

    def read(instance: Any) -> list[int]:
        numbers: list[int] = []
        for part, is_tuple in zip(get(instance), are_tuples, strict=True):
            if is_tuple:
                numbers += part
            else:
                numbers.append(part)
        return numbers

    return read


def _get_one(name: str) -> Callable[[Any], tuple[int]]:
    """A getter of one attribute that gives a tuple like those of several."""
    get = attrgetter(name)
    return lambda instance: (get(instance),)


def _builder(kind: Any) -> Callable[[Iterator[int]], Any]:
    """Build the function that makes a nested value from its numbers in order."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        builders = [_builder(hints[inner.name]) for inner in fields(kind)]
        make: Any = kind
        return lambda numbers: make(*[build(numbers) for build in builders])
    if get_origin(kind) is tuple:
        element_builders = [_builder(element) for element in get_args(kind)]
        return lambda numbers: tuple(build(numbers) for build in element_builders)
    if kind is bool or (isinstance(kind, type) and issubclass(kind, IntEnum)):
        return lambda numbers: kind(next(numbers))
    return next


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that follows from one class's declared fields."""

    fields: tuple[Field, ...]
    limits: tuple[int, ...]
    read: Callable[[Any], Sequence[int]]
    make: Callable[[Iterator[int]], Any]
    limb_shifts: tuple[tuple[int, int], ...]
    """Limb by limb, which value to shift and how far; the signature's fields have none."""
    packed_shifts: tuple[int, ...]
    """For each field, its distance from the end of the packed number."""
    packed_bits: int
    word_slices: tuple[slice, ...]
    """Where each field stands in words layout."""
    word_bytes: int


_LAYOUTS: dict[object, Layout] = {}
"""One layout a class, made when it is first asked for."""


def layout_of(kind: type) -> Layout:
    """Find or make the layout of a class."""
    layout = _LAYOUTS.get(kind)
    if layout is None:
        layout = _LAYOUTS[kind] = _make_layout(kind)
    return layout


def _make_layout(kind: type) -> Layout:
    """Derive a layout from the declared fields."""
    declared = tuple(_walk("", kind))
    starts, position = [], TAG_BITS
    for field in declared:
        if field.bits >= 8:
            position = -(-position // 8) * 8
        starts.append(position)
        position += field.bits
    packed_bits = -(-position // WORD_BITS) * WORD_BITS
    return Layout(
        fields=declared,
        limits=tuple(field.limit for field in declared),
        read=_reader(kind),
        make=_builder(kind),
        limb_shifts=tuple(
            (place, shift)
            for place, field in enumerate(declared)
            if not field.path.startswith("signature.")
            for shift in range(0, field.words * WORD_BITS, WORD_BITS)
        ),
        packed_shifts=tuple(
            packed_bits - start - field.bits for start, field in zip(starts, declared, strict=True)
        ),
        packed_bits=packed_bits,
        word_slices=tuple(
            slice(end - 2 * field.words, end)
            for field, end in zip(declared, accumulate(2 * field.words for field in declared), strict=True)
        ),
        word_bytes=2 * sum(field.words for field in declared),
    )


def fields_of(kind: type) -> tuple[Field, ...]:
    """List the numbers of a class in declared order."""
    return layout_of(kind).fields


def values_of(instance: object) -> Sequence[int]:
    """Read the numbers of an instance in declared order."""
    return layout_of(type(instance)).read(instance)


def build(kind: type[T], values: Sequence[int]) -> T:
    """Make an instance from its numbers, refusing one that its declared width or list does not allow."""
    layout = layout_of(kind)
    # What is read back from journal and network passes here: loops in C, and one in Python only to say what is wrong.
    if (
        len(values) != len(layout.limits)
        or min(values, default=0) < 0
        or not all(map(lt, values, layout.limits))
    ):
        for field, value in zip(layout.fields, values, strict=True):
            if not 0 <= value < field.limit:
                raise MalformedError(f"{kind.__name__}.{field.path} is {value}, not below {field.limit}")
    made: T = layout.make(iter(values))
    return made


def is_in_range(instance: object) -> bool:
    """Say whether every number of an instance fits its declared width or list."""
    layout = layout_of(type(instance))
    values = layout.read(instance)
    # Every submitted transaction passes here: two C loops instead of one in Python.
    return len(values) == len(layout.limits) and min(values) >= 0 and all(map(lt, values, layout.limits))


def signed_limbs(instance: object) -> tuple[int, ...]:
    """Spell everything but the signature as 16-bit limbs, field after field, lowest limb first.

    Soundness: a field left out here could be changed by whoever carries the transaction.
    """
    layout = layout_of(type(instance))
    values = layout.read(instance)
    return tuple([(values[place] >> shift) & 0xFFFF for place, shift in layout.limb_shifts])


def word_bytes(kind: type) -> int:
    """Length of a class in words layout, in bytes."""
    return layout_of(kind).word_bytes


def to_words(instance: object) -> bytes:
    """Spell an instance in words layout.

    Assumes: it is in range, as everything the rules accepted is.
    """
    layout = layout_of(type(instance))
    return b"".join(
        int(value).to_bytes(2 * field.words, "big")
        for field, value in zip(layout.fields, layout.read(instance), strict=True)
    )


def from_words(kind: type[T], encoded: bytes) -> T:
    """Read an instance in words layout, strictly."""
    if len(encoded) != word_bytes(kind):
        raise MalformedError(f"{kind.__name__} is {word_bytes(kind)} bytes, not {len(encoded)}")
    return build(kind, [int.from_bytes(encoded[place], "big") for place in layout_of(kind).word_slices])


def packed_bytes(kind: type) -> int:
    """Length of a class in packed layout, in bytes."""
    return layout_of(kind).packed_bits // 8


def pack(tag: int, instance: object) -> bytes:
    """Spell a tag and an instance in packed layout.

    Assumes: it is in range, as everything the rules accepted is.
    """
    layout = layout_of(type(instance))
    number = tag << (layout.packed_bits - TAG_BITS)
    for value, shift in zip(layout.read(instance), layout.packed_shifts, strict=True):
        number |= value << shift
    return number.to_bytes(layout.packed_bits // 8, "big")


def tag_of_packed(first_byte: int) -> int:
    """Read the tag from a packed record's first byte."""
    return first_byte >> (8 - TAG_BITS)


def unpack(kind: type[T], encoded: bytes) -> T:
    """Read an instance in packed layout, strictly: bits that belong to no field must be zero."""
    layout = layout_of(kind)
    if len(encoded) * 8 != layout.packed_bits:
        raise MalformedError(f"{kind.__name__} is {layout.packed_bits // 8} bytes, not {len(encoded)}")
    number = int.from_bytes(encoded, "big")
    made = build(
        kind,
        [
            (number >> shift) & ((1 << field.bits) - 1)
            for field, shift in zip(layout.fields, layout.packed_shifts, strict=True)
        ],
    )
    if pack(number >> (layout.packed_bits - TAG_BITS), made) != encoded:
        raise MalformedError(f"{kind.__name__} has bits set that belong to no field")
    return made
