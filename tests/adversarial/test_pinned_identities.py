"""The identities that a contract trusts are of the shapes that the programs above them verify (lines 43 and 46).

A forwarded key is a digest and a root in a statement; the heights and parameters by which its proof is checked are the
program's. So a trusted identity of another shape would be checked by rules that are not its own.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuits.statement import PUBLIC_NAMES
from circuits.terminal_statement import IDENTITY_WORDS, WORDS, key_identity, pinned_chain
from prover.recursion.chain import (
    FIRST_LOG_HEIGHT,
    JOIN_LANES,
    JOIN_SIZES,
    SLOTS,
    first_step_key,
    last_step_key,
)
from prover.recursion.execution import EVERYTHING_HOLDS
from prover.recursion.prove import Form, make_recursion_key, public_names, run_verifiers
from prover.recursion.record import IDENTITY_LENGTH, identity_of, record_verifiers
from prover.recursion.tables import recursion_circuit
from rollup.node.proofs import KeyIdentity
from tests.prover.recursion.small import POSEIDON, inner_key, inner_proof

ROOT_LIMBS = 8


def root_of(identity: KeyIdentity) -> tuple[int, ...]:
    return tuple(identity.root >> 32 * i & 0xFFFF_FFFF for i in range(ROOT_LIMBS))


def test_every_pinned_first_step_has_the_shape_that_a_join_verifies() -> None:
    pinned = pinned_chain().base
    assert pinned
    for identity in pinned.values():
        key = first_step_key(len(PUBLIC_NAMES), root_of(identity))
        assert key_identity(key) == identity
        other = replace(key, log_heights=(FIRST_LOG_HEIGHT + 1,) * 2)
        assert key_identity(other) != identity, "the digest tells heights apart"
        narrower = recursion_circuit(public_names(len(PUBLIC_NAMES)), JOIN_LANES)
        assert key_identity(replace(key, circuit=narrower)) != identity, "the digest tells lanes apart"


def test_every_pinned_last_step_has_the_shape_that_the_terminal_verifies() -> None:
    pinned = pinned_chain().last
    assert sorted(pinned) == sorted(JOIN_SIZES)
    publics = SLOTS * (IDENTITY_LENGTH + len(PUBLIC_NAMES))
    for identity in pinned.values():
        assert key_identity(last_step_key(publics, root_of(identity))) == identity
    assert sum(word.limbs for word in WORDS) == publics + IDENTITY_LENGTH


def test_no_two_pinned_steps_are_one() -> None:
    """A join of two proofs under the identity of a join of one would leave a batch unproved."""
    pinned = pinned_chain()
    identities = [*pinned.base.values(), *pinned.last.values()]
    assert len({identity.root for identity in identities}) == len(identities)
    assert len({identity.digest for identity in identities}) == len(identities)
    assert all(0 < identity.digest < 1 << 256 for identity in identities)
    assert sum(word.limbs for word in IDENTITY_WORDS) == IDENTITY_LENGTH


def test_a_proof_is_not_taken_under_the_identity_of_another_key() -> None:
    """Line 43: the same proof, another digest or root beside it."""
    inner = inner_proof("memory")
    key = make_recursion_key(
        [inner.key.verification], POSEIDON, form=Form.WIDE, forwards_keys=True, threads=1
    )
    honest = key.outer_statement([inner.statement])
    assert run_verifiers(key, honest, [inner.messages]).failed == EVERYTHING_HOLDS
    verification = inner.key.verification
    assert isinstance(verification.preprocessed_root, tuple)
    other_root = replace(verification, preprocessed_root=tuple(range(ROOT_LIMBS)))
    taller = replace(verification, log_heights=tuple(h + 1 for h in verification.log_heights))
    for other in (other_root, taller):
        assert identity_of(other) != identity_of(verification)
        said = key.outer_statement([inner.statement], [other])
        assert run_verifiers(key, said, [inner.messages]).failed != EVERYTHING_HOLDS


def test_the_heights_of_a_program_are_those_it_was_recorded_with() -> None:
    """Line 46: a taller key of the same circuit is another program, which opens other paths."""
    verification = inner_key("memory").verification
    taller = replace(verification, log_heights=tuple(h + 1 for h in verification.log_heights))
    programs = [record_verifiers([key], forwards_keys=True) for key in (verification, taller)]
    assert programs[0].sibling_count < programs[1].sibling_count


@pytest.mark.parametrize("keys", [1, 2])
def test_more_slots_than_proofs_add_zeros_and_nothing_else(keys: int) -> None:
    verification = inner_key("memory").verification
    bare = record_verifiers([verification] * keys, forwards_keys=True)
    wide = record_verifiers([verification] * keys, forwards_keys=True, slots=3)
    assert wide.public_zeros == (3 - keys) * (IDENTITY_LENGTH + verification.shape.public_count)
    assert len(bare.publics) == len(wide.publics)
    assert bare.counts()["permutation"] == wide.counts()["permutation"]
