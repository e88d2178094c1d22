"""The verifier, written once over an abstract arithmetic.

The steps have the same names in the prover and in every other verifier:
  1 absorb the statement    2 receive the trace    3 receive the challenge rounds    4 receive the quotient
  5 check the constraints out of the domain        6 receive the folds               7 check the queries
No step looks at a value of the proof: it only adds, multiplies, hashes and requires equalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prover.air.expression import Cell, CellKind, Selector
from prover.air.reader import evaluate
from prover.domain import Domain
from prover.errors import Reason
from prover.fri.verifier import ColumnPower, DeepInput, FoldCheck, check_query
from prover.stark.arithmetic import Arithmetic, Challenger
from prover.stark.key import VerificationKey
from prover.stark.proof import OpenedMatrix, Proof
from prover.stark.shape import EXTENSION_DEGREE, Phase
from prover.transcript import Label

# Any: the values of one run are all of one kind, which the arithmetic chooses.
Value = Any


@dataclass(slots=True)
class Challenges:
    """Every challenge that has been drawn so far."""

    rounds: list[list[Value]]
    combiner: Value = None
    point: Value = None
    batching: Value = None


class Verification:
    """One run of the verifier over one arithmetic."""

    def __init__(
        self,
        arithmetic: Arithmetic[Value, Value, Value],
        key: VerificationKey,
        preprocessed_root: Value,
        statement: Sequence[Value],
        proof: Proof[Value, Value, Value],
        key_digest: Sequence[Value] | None = None,
    ) -> None:
        """A circuit that verifies under many keys of one shape hands in root and digest as values of its own."""
        self.arithmetic = arithmetic
        self.key = key
        self.shape = key.shape
        self.preprocessed_root = preprocessed_root
        self.statement = statement
        self.key_digest = key_digest or [arithmetic.base(limb) for limb in key.digest_limbs]
        self.proof = proof
        self.challenger: Challenger[Value, Value, Value] = arithmetic.challenger(key.parameters)
        self.challenges = Challenges([])
        self.positions: list[list[Value]] = []
        """Where the queries look, as bits, once they are drawn."""
        self._matrices: dict[tuple[str, int], tuple[OpenedMatrix[Value], dict[int, Value]]] = {}
        self._nonces = iter(proof.nonces)
        self._roots = iter(proof.roots)

    def run(self) -> None:
        """Refuse the proof, or return."""
        self.absorb_the_statement()
        self.receive_the_trace()
        self.receive_the_challenge_rounds()
        self.receive_the_quotient()
        self.check_the_constraints_out_of_the_domain()
        folds = self.receive_the_folds()
        self.check_the_queries(folds)

    def absorb_the_statement(self) -> None:
        """Bind everything that was fixed before the prover spoke."""
        # Soundness: the key's digest covers every constraint, height and parameter.
        # Without it a proof for one circuit could be replayed under another.
        self.challenger.absorb_elements(Label.KEY, self.key_digest)
        parameters = [self.arithmetic.base(element) for element in self.key.parameters.elements()]
        self.challenger.absorb_elements(Label.PARAMETERS, parameters)
        heights = [self.arithmetic.base(height) for height in self.shape.log_heights]
        self.challenger.absorb_elements(Label.HEIGHTS, heights)
        if self.shape.phase("preprocessed") is not None:
            self.challenger.absorb_digest(Label.PREPROCESSED, self.preprocessed_root)
        self.challenger.absorb_elements(Label.STATEMENT, self.statement)

    def receive_the_trace(self) -> None:
        """Bind the main columns."""
        self.challenger.absorb_digest(Label.MAIN, next(self._roots))

    def receive_the_challenge_rounds(self) -> None:
        """Draw each round's challenges, then bind its columns and, in the bus round, the claimed sums."""
        bits = self.key.parameters.grinding.challenge_round
        for round in range(1, self.shape.rounds + 1):
            self._grind(Label.GRIND_CHALLENGE_ROUND, bits, Reason.GRINDING_MISSING_CHALLENGE_ROUND)
            count = self.shape.challenge_count(round)
            drawn = [self.challenger.draw_extension(Label.CHALLENGE_ROUND) for _ in range(count)]
            self.challenges.rounds.append(drawn)
            if self.shape.phase(f"challenge round {round}") is not None:
                self.challenger.absorb_digest(Label.CHALLENGE_ROUND, next(self._roots))
            if round == self.shape.bus_round:
                self.challenger.absorb_extension(Label.BUS_SUMS, self.proof.bus_sums)
        if self.proof.bus_sums:
            total = self.proof.bus_sums[0]
            for bus_sum in self.proof.bus_sums[1:]:
                total = total + bus_sum
            zero = self.arithmetic.extension([self.arithmetic.base(0)] * EXTENSION_DEGREE)
            self.arithmetic.require_equal(
                total, zero, Reason.BUS_SUMS_DO_NOT_BALANCE, "the tables' bus sums do not add up to zero"
            )

    def receive_the_quotient(self) -> None:
        """Draw the challenge that combines the constraints, then bind the quotient."""
        bits = self.key.parameters.grinding.constraint
        self._grind(Label.GRIND_CONSTRAINT, bits, Reason.GRINDING_MISSING_CONSTRAINT)
        self.challenges.combiner = self.challenger.draw_extension(Label.CONSTRAINT)
        self.challenger.absorb_digest(Label.QUOTIENT, next(self._roots))

    def check_the_constraints_out_of_the_domain(self) -> None:
        """Draw a point outside every domain and check each table's constraints against its quotient there."""
        bits = self.key.parameters.grinding.out_of_domain
        self._grind(Label.GRIND_OUT_OF_DOMAIN, bits, Reason.GRINDING_MISSING_OUT_OF_DOMAIN)
        self.challenges.point = self.challenger.draw_extension(Label.OUT_OF_DOMAIN)
        opened: list[Value] = []
        for phase in self.proof.openings:
            for matrix in phase:
                opened += [*matrix.current, *matrix.next]
        # Soundness: the values are bound before the batching challenge is drawn.
        # Otherwise they could be chosen so that their random combination fits.
        self.challenger.absorb_extension(Label.OPENINGS, opened)
        for table in range(len(self.shape.tables)):
            self._check_table(table)

    def receive_the_folds(self) -> list[FoldCheck]:
        """Draw the batching challenge, then bind each folded word and draw its challenge."""
        grinding = self.key.parameters.grinding
        self._grind(Label.GRIND_BATCHING, grinding.batching, Reason.GRINDING_MISSING_BATCHING)
        self.challenges.batching = self.challenger.draw_extension(Label.BATCHING)
        folds = []
        for step, root in zip(self.shape.folds, self.proof.fold_roots, strict=True):
            self.challenger.absorb_digest(Label.FOLD_ROOT, root)
            self._grind(Label.GRIND_FOLDING, grinding.folding, Reason.GRINDING_MISSING_FOLDING)
            folds.append(FoldCheck(step, root, self.challenger.draw_extension(Label.FOLDING)))
        self.challenger.absorb_extension(Label.FINAL_POLYNOMIAL, self.proof.final_polynomial)
        return folds

    def check_the_queries(self, folds: list[FoldCheck]) -> None:
        """Draw random positions and check there that every step is the one before it, folded."""
        parameters = self.key.parameters
        # Soundness: grinding comes before the positions are drawn.
        # Afterwards it would cost the prover nothing to look for easy positions.
        self._grind(Label.GRIND_QUERY, parameters.grinding.query, Reason.GRINDING_MISSING_QUERY)
        log_size = self.shape.log_max_height + parameters.log_blowup
        self.positions = self.challenger.draw_positions(Label.QUERY, parameters.queries, log_size)
        inputs = self._deep_inputs()
        phase_roots = list(self.proof.roots)
        if self.shape.phase("preprocessed") is not None:
            phase_roots.insert(0, self.preprocessed_root)
        for query, bits in self.arithmetic.gather(self.proof.queries, self.positions):
            check_query(
                self.arithmetic,
                self.shape,
                phase_roots,
                inputs,
                folds,
                self.proof.final_polynomial,
                query,
                bits,
            )

    def _grind(self, label: Label, bits: int, reason: Reason) -> None:
        self.challenger.check_grinding(label, next(self._nonces), bits, reason)

    def _opening(self, phase_name: str, table: int) -> tuple[Phase, int] | None:
        """Where the proof opens a table's matrix of a phase: the phase and its position among the matrices."""
        phase = self.shape.phase(phase_name)
        if phase is None:
            return None
        for position, matrix in enumerate(phase.matrices):
            if matrix.table == table:
                return phase, position
        return None

    def _opened(self, phase_name: str, table: int) -> tuple[OpenedMatrix[Value], dict[int, Value]]:
        """What the proof opens of a table's matrix: its columns, and those at the next row by their number."""
        known = self._matrices.get((phase_name, table))
        if known is None:
            found = self._opening(phase_name, table)
            if found is None:
                return OpenedMatrix((), ()), {}
            phase, position = found
            opened = self.proof.openings[self.shape.phases.index(phase)][position]
            following = dict(zip(phase.matrices[position].next_columns, opened.next, strict=True))
            known = self._matrices[phase_name, table] = opened, following
        return known

    def _check_table(self, table: int) -> None:
        """Constraints at the point, divided by the polynomial that vanishes on the rows, are the quotient there.

        Soundness: dividing refuses a point on a row, where any quotient would do.
        """
        definition = self.shape.tables[table]
        domain = Domain(self.shape.log_heights[table], self.key.parameters.log_blowup)
        point = self.challenges.point
        vanishing = domain.vanishing_at(point)
        lift = self._lift
        reason = Reason.OUT_OF_DOMAIN_POINT_IN_DOMAIN
        first = vanishing * self.arithmetic.inverse(point - 1, reason)
        last = vanishing * self.arithmetic.inverse(point - domain.last_row, reason)
        selectors = {
            Selector.FIRST_ROW: first,
            Selector.LAST_ROW: last,
            Selector.TRANSITION: point - domain.last_row,
        }
        values = _TableValues(self, table, selectors)
        (combined,) = evaluate([definition.combination], values.read, lift)
        quotient = self._quotient_at_point(table, domain)
        self.arithmetic.require_equal(
            combined * self.arithmetic.inverse(vanishing, reason),
            quotient,
            Reason.CONSTRAINTS_DO_NOT_HOLD,
            f"table {definition.name}: the constraints differ from the quotient at the random point",
        )

    def _quotient_at_point(self, table: int, domain: Domain) -> Value:
        """Put the pieces together: piece j agrees with the quotient on the coset j of the extended domain."""
        opened, _ = self._opened("quotient", table)
        pieces = [
            self._join(opened.current[start : start + EXTENSION_DEGREE])
            for start in range(0, len(opened.current), EXTENSION_DEGREE)
        ]
        weights = domain.piece_weights(self.challenges.point, self.shape.log_quotient_pieces(table))
        total = weights[0] * pieces[0]
        for weight, piece in zip(weights[1:], pieces[1:], strict=True):
            total = total + weight * piece
        return total

    def _join(self, planes: Sequence[Value]) -> Value:
        """An extension value from the openings of its five base coordinates, themselves extension values."""
        base = self.arithmetic.base
        total = planes[0]
        for position, plane in enumerate(planes[1:], start=1):
            unit = [base(int(k == position)) for k in range(EXTENSION_DEGREE)]
            total = total + self.arithmetic.extension(unit) * plane
        return total

    def _lift(self, value: int) -> Value:
        base = self.arithmetic.base
        return self.arithmetic.extension([base(value), *([base(0)] * (EXTENSION_DEGREE - 1))])

    def _deep_inputs(self) -> dict[int, DeepInput]:
        """For each height: which opened columns, at which points, with which powers of the batching challenge."""
        inputs: dict[int, DeepInput] = {}
        power = self._lift(1)
        for log_height in self.shape.input_heights:
            domain = Domain(log_height, self.key.parameters.log_blowup)
            current: list[ColumnPower] = []
            following: list[ColumnPower] = []
            claims = [self._lift(0), self._lift(0)]
            for phase_index, phase in enumerate(self.shape.phases):
                for position, matrix in enumerate(phase.matrices):
                    if matrix.log_height != log_height:
                        continue
                    opened = self.proof.openings[phase_index][position]
                    for column, value in enumerate(opened.current):
                        current.append((phase_index, position, column, power))
                        claims[0] = claims[0] + power * value
                        power = power * self.challenges.batching
                    for column, value in zip(matrix.next_columns, opened.next, strict=True):
                        following.append((phase_index, position, column, power))
                        claims[1] = claims[1] + power * value
                        power = power * self.challenges.batching
            next_point = self.challenges.point * domain.generator
            inputs[log_height] = DeepInput(
                log_height, self.challenges.point, next_point, current, claims[0], following, claims[1]
            )
        return inputs


class _TableValues:
    """Reads the cells of one table at the out-of-domain point."""

    def __init__(self, run: Verification, table: int, selectors: dict[Selector, Value]) -> None:
        self.run = run
        self.table = table
        self.selectors = selectors
        self.combiners = [run._lift(1)]

    def read(self, cell: Cell) -> Value:
        run, shape = self.run, self.run.shape
        match cell.kind:
            case CellKind.SELECTOR:
                return self.selectors[Selector(cell.index)]
            case CellKind.PUBLIC:
                return run._lift(0) + run.statement[cell.index]
            case CellKind.CHALLENGE:
                return run.challenges.rounds[cell.round - 1][cell.index]
            case CellKind.COMBINER:
                while len(self.combiners) <= cell.index:
                    self.combiners.append(self.combiners[-1] * run.challenges.combiner)
                return self.combiners[cell.index]
            case CellKind.BUS_SUM_SHARE:
                bus_sum = run.proof.bus_sums[shape.bus_tables.index(self.table)]
                return bus_sum * Domain(shape.log_heights[self.table], 0).inverse_height
            case CellKind.PERIODIC:
                column = shape.tables[self.table].periodic[cell.index]
                domain = Domain(shape.log_heights[self.table], 0)
                return domain.periodic_at(run.challenges.point, column.values, run._lift)
            case CellKind.MAIN:
                return self._column("main", cell.index, cell.row_offset)
            case CellKind.PREPROCESSED:
                return self._column("preprocessed", cell.index, cell.row_offset)
            case CellKind.CHALLENGE_COLUMN:
                start = EXTENSION_DEGREE * cell.index
                name = f"challenge round {cell.round}"
                planes = range(start, start + EXTENSION_DEGREE)
                return run._join([self._column(name, plane, cell.row_offset) for plane in planes])

    def _column(self, phase: str, column: int, row_offset: int) -> Value:
        opened, following = self.run._opened(phase, self.table)
        return following[column] if row_offset else opened.current[column]
