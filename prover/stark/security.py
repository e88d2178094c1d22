"""The provable bits of the proofs under a key, from the key itself."""

from __future__ import annotations

from prover.air.expression import Cell, CellKind, Expression, Operation, topological_order
from prover.air.table import Table
from prover.soundness import SecurityShape, SoundnessReport, soundness
from prover.stark.key import VerificationKey
from prover.stark.shape import opened_columns


def security_shape(key: VerificationKey) -> SecurityShape:
    """The sizes that decide the bits, read off the key and its heights, never off constants."""
    shape = key.shape
    heights = [1 << log_height for log_height in shape.log_heights]
    messages = [interaction for table in shape.tables for interaction in table.interactions]
    return SecurityShape(
        parameters=key.parameters,
        log_heights=shape.log_heights,
        fold_log_arities=tuple(step.log_arity for step in shape.folds),
        constraints=sum(len(table.constraints) for table in shape.tables),
        max_constraint_degree=max(table.degree for table in shape.tables),
        batched_columns=opened_columns(shape.phases),
        interactions=sum(
            height * len(table.interactions) for height, table in zip(heights, shape.tables, strict=True)
        ),
        max_message_length=max((len(message.values) for message in messages), default=0),
        challenge_degrees=tuple(
            degree
            for round in range(1, shape.rounds + 1)
            if round != shape.bus_round
            and (
                degree := sum(
                    h * challenge_degree(t, round) for h, t in zip(heights, shape.tables, strict=True)
                )
            )
        ),
    )


def report_of(key: VerificationKey) -> SoundnessReport:
    """The bits of every round for proofs under this key."""
    return soundness(security_shape(key))


def challenge_degree(table: Table, round: int) -> int:
    """A bound on the degree in a round's challenges that one row adds to what a table's columns accumulate.

    A running product or sum takes one factor or term a row, whose degree is that of the constraint which states it.
    This covers columns that are linear in their own row before; a column that squares itself would need another bound.
    """
    return sum(_degree_in_round(constraint.polynomial, round) for constraint in table.constraints)


def _degree_in_round(root: Expression, round: int) -> int:
    degrees: dict[Expression, int] = {}
    for node in topological_order([root]):
        if node.operation is Operation.CELL:
            cell = node.payload
            assert isinstance(cell, Cell)
            degrees[node] = int(cell.kind is CellKind.CHALLENGE and cell.round == round)
        else:
            parts = [degrees[source] for source in node.sources]
            combine = sum if node.operation is Operation.MULTIPLY else max
            degrees[node] = combine(parts) if parts else 0
    return degrees[root]
