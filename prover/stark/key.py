"""The verification key: a circuit at fixed heights under fixed parameters, with a digest of all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prover.air.expression import Cell, Expression, topological_order
from prover.air.logup import with_bus_argument
from prover.air.table import Table
from prover.hash.keccak import keccak256
from prover.parameters import StarkParameters
from prover.stark.circuit import (
    Circuit,
    CircuitError,
    bus_degree,
    check_circuit,
    check_heights,
)
from prover.stark.shape import Shape

Digest = bytes | tuple[int, ...]
"""A root: bytes under Keccak, eight field elements under Poseidon."""


@dataclass(frozen=True)
class VerificationKey:
    """Everything a verifier has to trust about a circuit."""

    circuit: Circuit
    log_heights: tuple[int, ...]
    parameters: StarkParameters
    preprocessed_root: Digest | None

    @cached_property
    def bus_degrees(self) -> tuple[int, ...]:
        """The degree of every table's bus fractions."""
        log_blowup, saving = self.parameters.log_blowup, self.circuit.least_bus_saving
        return tuple(bus_degree(table, log_blowup, saving) for table in self.circuit.tables)

    @cached_property
    def shape(self) -> Shape:
        """The shape of every proof under this key."""
        bus_round = self.circuit.bus_round
        tables = tuple(
            with_bus_argument(table, bus_round, degree)
            for table, degree in zip(self.circuit.tables, self.bus_degrees, strict=True)
        )
        return Shape(
            self.parameters,
            tables,
            self.log_heights,
            bus_round if self.circuit.has_buses else bus_round - 1,
            bus_round if self.circuit.has_buses else None,
            len(self.circuit.public_names),
        )

    @cached_property
    def digest(self) -> bytes:
        """Keccak-256 of a canonical description: constraints, heights, parameters and preprocessed columns."""
        description = {
            "circuit": self.circuit.name,
            "public values": self.circuit.public_names,
            "heights": self.log_heights,
            "parameters": self.parameters.to_bytes().hex(),
            "preprocessed": None if self.preprocessed_root is None else _root_text(self.preprocessed_root),
            "tables": [describe_table(table) for table in self.shape.tables],
        }
        return keccak256(json.dumps(description, separators=(",", ":"), sort_keys=True).encode())

    @cached_property
    def digest_limbs(self) -> tuple[int, ...]:
        """The digest as sixteen 16-bit limbs, the form in which every transcript absorbs it."""
        return tuple(int.from_bytes(self.digest[i : i + 2], "big") for i in range(0, 32, 2))


def make_verification_key(
    circuit: Circuit,
    log_heights: Sequence[int],
    parameters: StarkParameters,
    preprocessed_root: Digest | None = None,
) -> VerificationKey:
    """Check that the circuit is sound at these heights and pin it."""
    check_circuit(circuit)
    check_heights(circuit, log_heights, parameters.log_blowup)
    has_preprocessed = any(table.preprocessed_names for table in circuit.tables)
    if has_preprocessed != (preprocessed_root is not None):
        raise CircuitError(f"circuit {circuit.name}: a preprocessed root goes with preprocessed columns")
    key = VerificationKey(circuit, tuple(log_heights), parameters, preprocessed_root)
    for index, table in enumerate(key.shape.tables):
        # Soundness: a quotient of higher degree than the domain is long would not be a low-degree claim.
        if key.shape.log_quotient_pieces(index) > parameters.log_blowup:
            raise CircuitError(
                f"table {table.name}: constraints of degree {table.degree} need a blowup of at least "
                f"2^{key.shape.log_quotient_pieces(index)}"
            )
    return key


def describe_table(table: Table) -> dict[str, Any]:
    """A canonical description of everything a table demands."""
    roots = [constraint.polynomial for constraint in table.constraints]
    positions: dict[Expression, int] = {}
    nodes: list[list[Any]] = []
    for node in topological_order(roots):
        positions[node] = len(nodes)
        payload: Any = node.payload
        if isinstance(payload, Cell):
            payload = [payload.kind.value, payload.index, payload.row_offset, payload.round]
        nodes.append([node.operation.value, payload, *(positions[source] for source in node.sources)])
    return {
        "name": table.name,
        "preprocessed": table.preprocessed_names,
        "main": table.main_names,
        "periodic": [[column.name, column.values] for column in table.periodic],
        "challenge columns": [[column.name, column.round] for column in table.challenge_columns],
        "challenges": table.challenge_counts,
        "nodes": nodes,
        "constraints": [[c.name, c.scope.value, positions[c.polynomial]] for c in table.constraints],
        "messages": [
            [i.bus.tag, i.direction.value, i.weight, *([i.pinned_total] if i.is_pinned else [])]
            for i in table.interactions
        ],
    }


def _root_text(root: Digest) -> str:
    return root.hex() if isinstance(root, bytes) else ",".join(map(str, root))
