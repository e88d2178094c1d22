"""The kernels of this machine, compared with libraries that share no code with them.

Compilers and processors differ: what passed elsewhere is asked again here.
Every check takes random inputs together with the edges of its domain.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prover.field.koalabear import GENERATOR, PRIME, decode, encode, root_of_unity

SAMPLES = 1001
"""Odd, so that no number of lanes divides it and the ends of slices are tried too."""

LANES = 37
"""States of one call, odd for the same reason; galois multiplies matrices slowly."""

SIGNATURES = 17
"""One more than there are lanes."""

QUINTIC_MODULUS = (-1, 0, 1, 0, 0)
"""X^5 + X^2 - 1 without its leading term, as py_ecc takes it."""

SEPTIC_MODULUS = (-5, -3, 0, 0, 0, 0, 0)
"""z^7 - 3z - 5, likewise."""

POSEIDON_ANSWER = (
    *(610090613, 935319874, 1893335292, 796792199, 356405232, 552237741, 55134556, 1215104204),
    *(1823723405, 1133298033, 1780633798, 1453946561, 710069176, 1128629550, 1917333254, 1175481618),
)
"""The permutation of 0, 1, ..., 15 with 20 partial rounds, as published with Plonky3 and leanSpec."""


class DisagreementError(Exception):
    """A kernel and its referee give different answers."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one check went."""

    name: str
    oracle: str
    seconds: float
    """With the compilation of what was not compiled before."""
    failure: str | None
    """One line that says what went wrong, or None."""

    @property
    def passed(self) -> bool:
        """Whether the kernel and its referee agree."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Check:
    """One family of kernels and what referees it."""

    name: str
    oracle: str
    compare: Callable[[random.Random], None]


def self_test(seed: int = 0) -> list[Result]:
    """Run every check; one that fails in any way is reported, and the next one runs."""
    return [run_check(check, random.Random(seed)) for check in CHECKS]


def run_check(check: Check, source: random.Random) -> Result:
    """Run one check on inputs from a source of randomness."""
    start = time.perf_counter()
    failure = None
    try:
        check.compare(source)
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever is wrong, a broken install as well
        failure = f"{type(error).__name__}: {error}"
    return Result(check.name, check.oracle, time.perf_counter() - start, failure)


def require_equal(what: str, ours: Any, theirs: Any) -> None:
    """Raise unless two answers are equal."""
    if ours != theirs:
        raise DisagreementError(f"{what} differs")


def elements(source: random.Random, count: int = SAMPLES) -> list[int]:
    """Canonical field elements, first the edges."""
    edges = [0, 1, PRIME - 1, PRIME - 2, 2**24, PRIME >> 1]
    return (edges + [source.randrange(PRIME) for _ in range(count)])[:count]


def galois_field() -> Any:
    """The base field as galois has it; the generator is given because a search for one takes seconds."""
    import galois

    return galois.GF(PRIME, primitive_element=GENERATOR, verify=False)


def extension_field(modulus: tuple[int, ...]) -> Any:
    """An extension of the base field as py_ecc has it."""
    from py_ecc.fields.field_elements import FQP

    def set_up(self: Any, coefficients: Any) -> None:
        FQP.__init__(self, coefficients, modulus)

    return type("Extension", (FQP,), {"degree": len(modulus), "field_modulus": PRIME, "__init__": set_up})


def coefficients_of(value: Any) -> Any:
    """The coordinates of one of py_ecc's extension elements, constant term first."""
    return tuple(int(coefficient) % PRIME for coefficient in value.coeffs)


def compare_keccak_definition(source: random.Random) -> None:
    """The definition of Keccak-256 on messages around the lengths of a block."""
    from Crypto.Hash import keccak

    from prover.hash.keccak import keccak256_reference

    for length in (0, 1, 135, 136, 137, 272, 1000):
        message = source.randbytes(length)
        theirs = keccak.new(digest_bits=256, data=message).digest()
        require_equal(f"the digest of {length} bytes", keccak256_reference(message), theirs)


def compare_keccak_kernels(source: random.Random) -> None:
    """Rows of every length around a block, and the nodes over them."""
    import numpy as np
    from Crypto.Hash import keccak

    from prover.hash.domain import HashKind, SuiteId
    from prover.hash.suite import KeccakSuite

    def digest(kind: int, length: int, content: bytes, node_bytes: int) -> bytes:
        prefix = bytes([kind, 0]) + int(SuiteId.KECCAK256).to_bytes(2, "big") + length.to_bytes(4, "big")
        return keccak.new(digest_bits=256, data=prefix + content).digest()[:node_bytes]

    for node_bytes in (26, 32):
        suite = KeccakSuite(node_bytes)
        for columns in (1, 31, 32, 33, 80):
            rows = np.array(elements(source, columns * LANES)).reshape(columns, LANES)
            planes = suite.hash_rows([encode(rows)], 1)
            ours = [suite.digest_at(planes, row) for row in range(LANES)]
            theirs = [
                digest(HashKind.ROW, columns, row.astype(">u4").tobytes(), node_bytes) for row in rows.T
            ]
            require_equal(f"a row of {columns} elements in {node_bytes} bytes", ours, theirs)
            parents = suite.inject(planes, planes[:, ::-1], 0, 1)
            ours = [suite.digest_at(parents, row) for row in range(LANES)]
            pairs = zip(theirs, reversed(theirs), strict=True)
            nodes = [digest(HashKind.NODE, 2 * node_bytes, left + right, node_bytes) for left, right in pairs]
            require_equal(f"a node of {node_bytes} bytes", ours, nodes)


def compare_base_field(source: random.Random) -> None:
    """Sums, differences, products, quotients and running sums, element by element."""
    import numpy as np

    from prover.field import kernels

    field = galois_field()
    left, right = elements(source), elements(source)[::-1]
    a, b = field(left), field(right)
    ours, other = encode(left), encode(right)
    for name, kernel, expected in (
        ("a sum", kernels.add, a + b),
        ("a difference", kernels.subtract, a - b),
        ("a product", kernels.multiply, a * b),
    ):
        require_equal(name, decode(kernel(ours, other, threads=2)).tolist(), expected.tolist())
    require_equal("a multiple", decode(kernels.scale(ours, left[-1])).tolist(), (a * a[-1]).tolist())
    inverses = decode(kernels.base_batch_inverse(encode(left[1:])))
    require_equal("an inverse", inverses.tolist(), (a[1:] ** -1).tolist())
    require_equal("a running sum", decode(kernels.prefix_sums(ours)).tolist(), np.add.accumulate(a).tolist())


def compare_extension_kernels(source: random.Random) -> None:
    """Products and inverses of many elements of degree 5."""
    import numpy as np

    from prover.field import kernels

    theirs = extension_field(QUINTIC_MODULUS)
    left, right = (np.array(elements(source, 5 * LANES)[::step]).reshape(LANES, 5) for step in (1, -1))
    pairs = [(theirs(a), theirs(b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    planes, other = encode(left.T), encode(right.T)
    products = decode(kernels.extension_multiply(planes, other)).T.tolist()
    require_equal("a product", [tuple(row) for row in products], [coefficients_of(a * b) for a, b in pairs])
    inverses = decode(kernels.extension_batch_inverse(planes)).T.tolist()
    require_equal(
        "an inverse", [tuple(row) for row in inverses], [coefficients_of(a.inv()) for a, _ in pairs]
    )


def compare_extensions(source: random.Random) -> None:
    """Products, inverses and the Frobenius map of both extensions; the verifier computes with these."""
    from prover.field.extension import QUINTIC, SEPTIC

    for ours, modulus in ((QUINTIC, QUINTIC_MODULUS), (SEPTIC, SEPTIC_MODULUS)):
        theirs = extension_field(modulus)
        for _ in range(8):
            left, right = (tuple(elements(source, 20)[-ours.degree :]) for _ in range(2))
            a, b = theirs(left), theirs(right)
            require_equal("a product", ours.multiply(left, right), coefficients_of(a * b))
            require_equal("an inverse", ours.inverse(left), coefficients_of(a.inv()))
            require_equal("the Frobenius map", ours.frobenius(left), coefficients_of(a**PRIME))


def compare_transforms(source: random.Random) -> None:
    """Extensions of sparse polynomials, whose values galois takes from the definition; short and tall tables."""
    import numpy as np

    from prover.ntt import low_degree_extension

    field = galois_field()
    for log_height, log_blowup in ((0, 1), (3, 2), (9, 2), (16, 1)):
        height = 1 << log_height
        terms = [(source.randrange(1, PRIME), source.randrange(height)) for _ in range(3)]

        def values(shift: int, generator: int, count: int, terms: Sequence[tuple[int, int]] = terms) -> Any:
            points = field(shift) * field(generator) ** np.arange(count)
            return np.array(sum((field(c) * points**k for c, k in terms), start=field.Zeros(count)))

        on_trace = values(1, root_of_unity(log_height), height)
        extended = low_degree_extension(encode(on_trace.reshape(1, height)), log_blowup, threads=2)
        natural = decode(extended)[0].T.reshape(-1)
        theirs = values(GENERATOR, root_of_unity(log_height + log_blowup), height << log_blowup)
        require_equal(f"an extension of 2^{log_height} rows", natural.tolist(), theirs.tolist())


def compare_poseidon(source: random.Random) -> None:
    """The permutation of many states at once, by galois from the definition; the first is the published one."""
    import numpy as np

    from prover.hash.poseidon_kernels import permute_states
    from prover.hash.poseidon_parameters import POSEIDON16_20, POSEIDON16_36, WIDTH

    states = np.array(elements(source, WIDTH * LANES)).reshape(WIDTH, LANES)
    states[:, 0] = range(WIDTH)
    field = galois_field()
    for parameters in (POSEIDON16_20, POSEIDON16_36):
        ours = decode(permute_states(encode(states), parameters))
        theirs = field(states)
        first_row = parameters.mds_first_row
        matrix = field([[first_row[(j - i) % WIDTH] for j in range(WIDTH)] for i in range(WIDTH)])
        for number, constants in enumerate(parameters.round_constants):
            theirs = theirs + field(constants).reshape(WIDTH, 1)
            cubed = WIDTH if parameters.is_full(number) else 1
            theirs[:cubed] = theirs[:cubed] ** 3
            theirs = matrix @ theirs
        require_equal(f"suite {parameters.suite.name}", ours.tolist(), theirs.tolist())
        if parameters is POSEIDON16_20:
            require_equal("the published answer", tuple(ours[:, 0].tolist()), POSEIDON_ANSWER)


def compare_curve(source: random.Random) -> None:
    """Multiples of the generator: kG and mG added by py_ecc are (k + m)G."""
    from py_ecc.bn128 import bn128_curve

    from prover.curve import septic

    field = extension_field(SEPTIC_MODULUS)

    def lift(point: septic.GroupElement) -> Any:
        return None if point is None else (field(point.x), field(point.y))

    def lower(pair: Any) -> septic.GroupElement:
        return None if pair is None else septic.Point(coefficients_of(pair[0]), coefficients_of(pair[1]))

    for _ in range(4):
        k, m = source.randrange(septic.ORDER), source.randrange(septic.ORDER)
        left, right = septic.multiply_generator(k), septic.multiply(septic.GENERATOR, m)
        # py_ecc adds points of any curve y^2 = x^3 + ax + b that are neither equal nor opposite.
        theirs = lower(bn128_curve.add(lift(left), lift(right)))
        require_equal("a sum of points", septic.add(left, right), theirs)
        require_equal("a multiple of the generator", septic.multiply_generator(k + m), theirs)


def compare_curve_kernels(source: random.Random) -> None:
    """Combs of many signatures: response * G - challenge * key, where the logarithm of the key is known."""
    import numpy as np

    from prover.curve import septic
    from prover.curve.comb_kernels import generator_multiples, run_combs
    from prover.curve.key_table_kernels import key_tables

    logarithms, responses = ([source.randrange(1, septic.ORDER) for _ in range(SIGNATURES)] for _ in range(2))
    limbs = [[response >> 16 * limb & 0xFFFF for response in responses] for limb in range(14)]
    split = np.array(limbs, dtype=np.uint32)
    challenges = np.array(elements(source, 4 * SIGNATURES), dtype=np.uint32).reshape(4, SIGNATURES)
    keys = [septic.multiply_generator(logarithm) for logarithm in logarithms]
    columns = np.array([(*key.x, *key.y) for key in keys if key is not None]).T
    tables = key_tables(encode(columns), has_witness=False)
    batch = run_combs(tables, np.arange(SIGNATURES), split, challenges, has_witness=False)

    def coordinates(scalar: int) -> tuple[int, ...] | None:
        point = septic.multiply_generator(scalar)
        return None if point is None else (*point.x, *point.y)

    theirs = []
    for logarithm, response, column in zip(logarithms, responses, challenges.T.tolist(), strict=True):
        challenge = sum(element << 31 * place for place, element in enumerate(column))
        theirs.append(coordinates(response - challenge * logarithm))
    require_equal("a comb", [tuple(column) for column in decode(batch.results).T.tolist()], theirs)
    multiples = decode(generator_multiples(split).results).T.tolist()
    require_equal(
        "a multiple of the generator", [tuple(one) for one in multiples], list(map(coordinates, responses))
    )


CHECKS: tuple[Check, ...] = (
    Check("base field", "galois", compare_base_field),
    Check("extension of degree 5", "py_ecc", compare_extension_kernels),
    Check("Keccak-256, definition", "pycryptodome", compare_keccak_definition),
    Check("Keccak-256, rows and nodes", "pycryptodome", compare_keccak_kernels),
    Check("extensions of degree 5 and 7, definition", "py_ecc", compare_extensions),
    Check("low-degree extension", "galois", compare_transforms),
    Check("Poseidon permutation, both suites", "galois", compare_poseidon),
    Check("septic curve, definition", "py_ecc", compare_curve),
    Check("septic curve, combs of signatures", "the definition above", compare_curve_kernels),
)
