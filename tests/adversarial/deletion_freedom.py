"""Which rules leave a direction free when they are taken away: asked of all rules of a site for two eliminations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME
from tests.adversarial.field_lines import Numbers, matrix_product, rank, reduce_rows


class Frees:
    """Equations that are kept still, by the slope of every equation of a site."""

    def __init__(self, slope: Numbers, equations: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(equations)
        reduced, pivots = reduce_rows(slope[places].T)
        free = np.setdiff1d(np.arange(len(places)), pivots)
        # A relation between the equations for each one that depends on others.
        self._relations = np.zeros((len(slope), len(free)), np.int64)
        self._relations[places[free], np.arange(len(free))] = 1
        self._relations[places[pivots]] = -reduced[: len(pivots), free] % PRIME
        self._kept = equations
        span, columns = reduce_rows(slope[places[pivots]])
        others = np.flatnonzero(~equations)
        along = matrix_product(slope[others][:, columns], span) if len(columns) else 0
        self._moves = np.zeros(len(slope), bool)
        self._moves[others] = ((slope[others] - along) % PRIME).any(axis=1)

    def has(self, gone: NDArray[np.bool_], own: NDArray[np.bool_]) -> bool:
        """Whether the rest leaves a rule a freedom, when these equations are gone, its own among them."""
        if self._moves[own].any():
            return True
        rule, rest = self._relations[gone & self._kept], self._relations[gone & ~own & self._kept]
        return len(rule) - rank(rule) > len(rest) - rank(rest)
