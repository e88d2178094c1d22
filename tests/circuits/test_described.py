"""The generated tables in the circuits' README are what the circuit is."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.buses import WIRES
from circuits.described import blocks
from circuits.shapes import kinds_of_rows
from prover.air.bus import Direction

README = Path("circuits/README.md")
LOOKUPS = {"sixteen bits", "fourteen bits", "two bytes"}


@pytest.mark.parametrize("name", blocks())
def test_the_readme_says_what_the_circuit_is(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    start = text.index(f"<!-- generated: {name} -->")
    found = text[start : text.index("<!-- end -->", start)].strip().splitlines()[1:]
    assert found == blocks()[name]


def test_every_bus_is_sent_and_received_by_the_tables_that_the_wiring_names() -> None:
    ends: dict[tuple[str, Direction], set[str]] = {}
    for table in kinds_of_rows():
        for interaction in table.interactions:
            ends.setdefault((interaction.bus.name, interaction.direction), set()).add(table.name)
    for wire in WIRES:
        assert ends[wire.bus.name, Direction.RECEIVE] == set(wire.receivers), wire.bus.name
        if wire.bus.name not in LOOKUPS:
            assert ends[wire.bus.name, Direction.SEND] == set(wire.senders), wire.bus.name
    assert len({wire.bus.identifier for wire in WIRES}) == len(WIRES)


def test_every_message_has_as_many_values_as_its_bus() -> None:
    for wire in WIRES:
        last_words = [part.rsplit(" ", 1)[-1] for part in wire.message]
        count = sum(int(word) if word.isdigit() else 1 for word in last_words)
        assert count == wire.bus.arity, wire.bus.name
