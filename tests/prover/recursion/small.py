"""Inner proofs with few queries, their keys, and what the tables say about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.examples.catalogue import EXAMPLES
from prover.air.inspect import Findings, inspect
from prover.field.koalabear import Montgomery
from prover.parameters import Grinding, StarkParameters, SuiteName
from prover.recursion.prove import Form, RecursionKey, make_recursion_key
from prover.stark.proof import Proof
from prover.stark.prover import prove
from prover.stark.proving_key import ProvingKey, make_proving_key

Messages = Proof[int, Any, Any]


def few_queries(suite: SuiteName, queries: int = 2) -> StarkParameters:
    """Parameters for tests: every step of the protocol, with little of each."""
    return StarkParameters(
        "few-queries",
        2,
        queries,
        2,
        2,
        Grinding(query=3, folding=1),
        suite,
        32,
        is_insecure=True,
        target_bits=0,
    )


POSEIDON = few_queries(SuiteName.POSEIDON_20)
KECCAK = few_queries(SuiteName.KECCAK)


@dataclass(frozen=True)
class Inner:
    """A base proof."""

    key: ProvingKey
    statement: list[int]
    messages: Messages


@cache
def inner_key(name: str, parameters: StarkParameters = POSEIDON) -> ProvingKey:
    example = EXAMPLES[name]
    heights = example.log_heights(example.smallest)
    return make_proving_key(example.circuit(), heights, parameters, example.preprocessed(), threads=1)


@cache
def inner_proof(name: str, seed: int = 1) -> Inner:
    key = inner_key(name)
    example = EXAMPLES[name]
    filled = example.fill(example.smallest, seed, 1)
    proof = prove(key, filled.traces, filled.statement, threads=1)
    return Inner(key, list(filled.statement), proof.messages)


@cache
def recursion_key(name: str, form: Form) -> RecursionKey:
    outer = KECCAK if form is Form.TERMINAL else POSEIDON
    return make_recursion_key([inner_key(name).verification], outer, form=form, threads=1)


def findings(key: RecursionKey, traces: list[Montgomery], statement: list[int]) -> Findings:
    """Every constraint, message and count of the tables, looked at without a proof."""
    tables = key.verification.circuit.tables
    names = [table.name for table in tables]
    return inspect(
        tables,
        dict(zip(names, traces, strict=True)),
        statement,
        preprocessed=dict(zip(names, key.layout.preprocessed(), strict=True)),
        is_montgomery=True,
    )
