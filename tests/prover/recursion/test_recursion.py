"""A circuit verifies a proof: what holds is proved, what does not has no trace, and public values are handed on."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME, decode, encode
from prover.parameters import SuiteName
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, execute
from prover.recursion.narrow_poseidon import ROWS
from prover.recursion.program import Multiplication, Permutation, ProgramError, Solve
from prover.recursion.prove import (
    Form,
    make_recursion_key,
    prove_recursion,
    run_verifiers,
)
from prover.recursion.record import IDENTITY_LENGTH, flatten_proofs, identity_of, record_verifiers
from prover.stark.encoding import decode_proof, encode_proof
from prover.stark.prover import prove
from prover.stark.verify import verify, verify_messages
from tests.prover.recursion.small import (
    KECCAK,
    POSEIDON,
    Inner,
    few_queries,
    findings,
    inner_key,
    inner_proof,
    recursion_key,
)
from tests.prover.stark.test_recording import PARTS, altered

NAMES = [pytest.param("two-heights", marks=pytest.mark.long), "shuffle", "memory"]
"""The first one's tables take longest to look through; the tests below prove and forge it."""

CHAIN = "poseidon-chain"


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", NAMES)
def test_the_tables_hold_for_a_proof_that_verifies(name: str, form: Form) -> None:
    inner, key = inner_proof(name), recursion_key(name, form)
    run = run_verifiers(key, inner.statement, [inner.messages])
    assert run.failed == EVERYTHING_HOLDS
    found = findings(key, key.layout.fill(run, threads=1), inner.statement)
    assert found.is_clean, found.lines


@pytest.mark.parametrize("form", Form)
def test_an_outer_proof_is_accepted_for_the_inner_statement_and_no_other(form: Form) -> None:
    inner, key = inner_proof(CHAIN), recursion_key(CHAIN, form)
    outer = prove_recursion(key, inner.statement, [inner.messages], threads=1)
    content = encode_proof(key.verification, inner.statement, outer.messages, outer.positions)
    verify(key.verification, inner.statement, content, accept_insecure=True)
    assert decode_proof(key.verification, content).proof == outer.messages
    for place in range(len(inner.statement)):
        other = [*inner.statement]
        other[place] = (other[place] + 1) % PRIME
        with pytest.raises(ProofRefused):
            verify_messages(key.verification, other, outer.messages, accept_insecure=True)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("part", PARTS)
def test_an_altered_inner_proof_has_no_trace(part: str, form: Form) -> None:
    inner, key = inner_proof("two-heights"), recursion_key("two-heights", form)
    forged = altered(inner.messages, part)
    with pytest.raises(ProofRefused):
        verify_messages(inner.key.verification, inner.statement, forged, accept_insecure=True)
    with pytest.raises(ProofRefused, match="an inner proof does not verify"):
        prove_recursion(key, inner.statement, [forged], threads=1)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("part", ["openings", "fold path", "nonces"])
def test_a_prover_who_goes_on_with_an_altered_inner_proof_breaks_a_rule(part: str, form: Form) -> None:
    inner, key = inner_proof("two-heights"), recursion_key("two-heights", form)
    run = run_verifiers(key, inner.statement, [altered(inner.messages, part)])
    assert run.failed != EVERYTHING_HOLDS
    traces = key.layout.fill(run, threads=1)
    assert not findings(key, traces, inner.statement).is_clean
    outer = prove(key.proving, traces, inner.statement, threads=1)
    with pytest.raises(ProofRefused) as refusal:
        verify_messages(key.verification, inner.statement, outer.messages, accept_insecure=True)
    assert refusal.value.reason in {Reason.BUS_SUMS_DO_NOT_BALANCE, Reason.CONSTRAINTS_DO_NOT_HOLD}


@pytest.mark.parametrize("form", Form)
def test_another_statement_than_the_inner_proof_s_has_no_trace(form: Form) -> None:
    inner, key = inner_proof(CHAIN), recursion_key(CHAIN, form)
    other = [*inner.statement]
    other[-1] = (other[-1] + 1) % PRIME
    assert run_verifiers(key, other, [inner.messages]).failed != EVERYTHING_HOLDS
    # Nor can the right values inside go with wrong ones outside: the wires of the statement would not balance.
    run = run_verifiers(key, inner.statement, [inner.messages])
    assert findings(key, key.layout.fill(run, threads=1), other).messages


@pytest.mark.parametrize("form", Form)
def test_every_column_is_bound(form: Form) -> None:
    inner, key = inner_proof("two-heights"), recursion_key("two-heights", form)
    traces = key.layout.fill(run_verifiers(key, inner.statement, [inner.messages]), threads=1)
    changed = [trace.copy() for trace in traces]
    expected = set()
    for table, trace in enumerate(traces):
        definition = key.verification.circuit.tables[table]
        # A column of each group: the others of a group are treated alike by the code that states them.
        groups = {re.sub(r"\d+", "", name): column for column, name in enumerate(definition.main_names)}
        # On the other rows of a block a cube's column is free, and nothing reads it.
        rows = itertools.count(5, ROWS if form is Form.TERMINAL else 2)
        for column, row in zip(groups.values(), rows, strict=False):
            value = decode(trace[column, row : row + 1]).astype(np.int64)
            changed[table][column, row] = encode((value + 1) % PRIME)[0]
            expected.add((definition.name, row))
    found = findings(key, changed, inner.statement)
    seen = {(broken.table, broken.row) for broken in found.constraints}
    seen |= {(entry.table, entry.row) for message in found.messages for entry in message.contributions}
    assert expected <= seen


def test_a_proof_of_another_shape_is_refused() -> None:
    key = recursion_key("two-heights", Form.WIDE)
    other = inner_proof("memory")
    with pytest.raises(ProofRefused) as refusal:
        prove_recursion(key, [], [other.messages], threads=1)
    assert refusal.value.reason is Reason.SHAPE


def test_only_the_hash_of_the_tables_can_be_verified() -> None:
    for suite in (SuiteName.KECCAK, SuiteName.POSEIDON_36):
        with pytest.raises(ProgramError, match="the tables compute"):
            record_verifiers([inner_key(CHAIN, few_queries(suite)).verification])


def first_step() -> Inner:
    """A wide proof about a base proof."""
    inner, key = inner_proof(CHAIN), recursion_key(CHAIN, Form.WIDE)
    outer = prove_recursion(key, inner.statement, [inner.messages], threads=1)
    return Inner(key.proving, inner.statement, outer.messages)


def test_a_terminal_proof_hands_on_the_key_and_the_statement() -> None:
    step = first_step()
    first = step.key.verification
    terminal = make_recursion_key([first], KECCAK, form=Form.TERMINAL, forwards_keys=True, threads=1)
    statement = terminal.outer_statement([step.statement])
    assert statement[:IDENTITY_LENGTH] == list(identity_of(first))
    assert statement[IDENTITY_LENGTH:] == step.statement
    proof = prove_recursion(terminal, statement, [step.messages], threads=1)
    verify_messages(terminal.verification, statement, proof.messages, accept_insecure=True)
    # Every limb of the key's digest, every element of its root and every public value is bound.
    for place in range(len(statement)):
        other = [*statement]
        other[place] = (other[place] + 1) % PRIME
        with pytest.raises(ProofRefused):
            verify_messages(terminal.verification, other, proof.messages, accept_insecure=True)
        assert run_verifiers(terminal, other, [step.messages]).failed != EVERYTHING_HOLDS


def test_a_forwarded_key_is_no_part_of_the_program() -> None:
    key = inner_key("memory").verification
    other = replace(key, preprocessed_root=tuple(range(8)))
    assert key.digest != other.digest
    assert record_verifiers([key]) != record_verifiers([other])
    assert record_verifiers([key], forwards_keys=True) == record_verifiers([other], forwards_keys=True)


def test_a_key_without_a_program_cannot_be_forwarded() -> None:
    with pytest.raises(ValueError, match="preprocessed root over Poseidon"):
        record_verifiers([inner_key(CHAIN).verification], forwards_keys=True)


def test_a_program_that_demands_less_has_another_identity() -> None:
    """A prover may make any program and prove it; who reads the forwarded identity sees which one it was."""
    inner = inner_proof(CHAIN)
    honest = recursion_key(CHAIN, Form.WIDE)
    # The verifier of the same circuit with a query less: less is tested, and its proofs have another shape.
    weaker = make_recursion_key(
        [inner_key(CHAIN, few_queries(SuiteName.POSEIDON_20, 1)).verification], POSEIDON, threads=1
    )
    assert identity_of(honest.verification)[-8:] != identity_of(weaker.verification)[-8:]
    with pytest.raises(ProofRefused):
        prove_recursion(weaker, inner.statement, [inner.messages], threads=1)


@pytest.mark.parametrize("forwards_keys", [False, True])
def test_several_proofs_are_verified_at_once_each_for_its_own_statement(forwards_keys: bool) -> None:
    inners = [inner_proof("memory", seed) for seed in (1, 2, 3)]
    key = make_recursion_key(
        [inner.key.verification for inner in inners], POSEIDON, forwards_keys=forwards_keys, threads=1
    )
    statement = key.outer_statement([inner.statement for inner in inners])
    proofs = [inner.messages for inner in inners]
    outer = prove_recursion(key, statement, proofs, threads=1)
    verify_messages(key.verification, statement, outer.messages, accept_insecure=True)
    for place in range(3):
        forged = [*proofs]
        forged[place] = altered(proofs[place], "phase row")
        assert run_verifiers(key, statement, forged).failed != EVERYTHING_HOLDS


@pytest.mark.parametrize("form", Form)
def test_slots_behind_the_last_proof_say_nothing(form: Form) -> None:
    inners = [inner_proof("memory", seed) for seed in (1, 2)]
    keys = [inner.key.verification for inner in inners]
    outer = KECCAK if form is Form.TERMINAL else POSEIDON
    key = make_recursion_key(keys, outer, form=form, forwards_keys=True, slots=4, threads=1)
    statement = key.outer_statement([inner.statement for inner in inners])
    length = IDENTITY_LENGTH + len(inners[0].statement)
    assert statement[2 * length :] == [0] * (2 * length)
    proofs = [inner.messages for inner in inners]
    proof = prove_recursion(key, statement, proofs, threads=1)
    verify_messages(key.verification, statement, proof.messages, accept_insecure=True)
    run = run_verifiers(key, statement, proofs)
    traces = key.layout.fill(run, threads=1)
    for place in (2 * length, 3 * length - 1, len(statement) - 1):
        other = [*statement]
        other[place] = 1
        assert run_verifiers(key, other, proofs).failed != EVERYTHING_HOLDS
    assert findings(key, traces, [*statement[:-1], 1]).messages


def test_proofs_of_different_lengths_share_no_slots() -> None:
    keys = [inner_key(name).verification for name in ("memory", CHAIN)]
    with pytest.raises(ProgramError, match="slots of one length"):
        record_verifiers(keys, slots=3)


def test_a_circuit_and_the_verifier_agree_on_every_kind_of_damage() -> None:
    """Any single value of a proof, changed: roots, openings, rows, paths, folds, coefficients."""
    inner, key = inner_proof("two-heights"), recursion_key("two-heights", Form.WIDE)
    elements, roots, siblings = flatten_proofs([inner.messages])
    generator = random.Random(11)
    assert execute(key.compiled, inner.statement, elements, roots, siblings).failed == EVERYTHING_HOLDS
    lists: tuple[list[Any], ...] = (elements, roots, siblings)
    for values in lists:
        for place in generator.sample(range(len(values)), min(40, len(values))):
            kept = values[place]
            values[place] = (
                (kept + 1) % PRIME if isinstance(kept, int) else ((kept[0] + 1) % PRIME, *kept[1:])
            )
            assert (
                execute(key.compiled, inner.statement, elements, roots, siblings).failed != EVERYTHING_HOLDS
            )
            values[place] = kept


@pytest.mark.parametrize("part", PARTS)
def test_it_is_the_requirements_that_refuse(part: str) -> None:
    """Taken away, they let every altered proof pass: nothing else in a program says no."""
    inner, key = inner_proof("two-heights"), recursion_key("two-heights", Form.WIDE)
    program = record_verifiers(key.inner, forwards_keys=key.forwards_keys)
    lenient = [
        replace(instruction, digest=program.vector_count, is_requirement=False)
        if isinstance(instruction, Permutation) and instruction.is_requirement
        else instruction
        for instruction in program.instructions
        if not (isinstance(instruction, Multiplication) and instruction.solve is Solve.NONE)
    ]
    weakened = replace(program, instructions=tuple(lenient), vector_count=program.vector_count + 1)
    forged = flatten_proofs([altered(inner.messages, part)])
    assert execute(key.compiled, inner.statement, *forged).failed != EVERYTHING_HOLDS
    compiled = CompiledProgram.compile(weakened)
    assert execute(compiled, inner.statement, *forged).failed == EVERYTHING_HOLDS
