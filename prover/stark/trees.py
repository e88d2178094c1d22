"""The hash suite that a proof's parameters name."""

from __future__ import annotations

from prover.hash.domain import SuiteId
from prover.hash.suite import AnySuite, hash_suite
from prover.parameters import StarkParameters


def suite_of(parameters: StarkParameters) -> AnySuite:
    """The suite of trees and transcript, with the parameters' size of nodes."""
    return hash_suite(SuiteId(parameters.suite.number), parameters.node_bytes)
