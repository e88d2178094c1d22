"""Fast GF(p^7) in plain Python: the seven coefficients of an element packed into one integer.

    bit   0        80       160                       480      560
          | c0     | c1     | c2     | c3 | c4 | c5   | c6     |

One product of two such integers is all 49 products of coefficients at once (Kronecker substitution).
This is the reason why the module exists beside `prover.field.extension`: it is some ten times faster,
and a scalar multiplication is two thousand products.

A packed element is *canonical* when every slot is below p.
It is *loose* when its slots are only known to be small multiples of p; `add`, `subtract` and scaling by a small integer
are then one operation on the whole integer, and the next product brings the slots back below p.
The bound that every caller keeps: the slots of two factors, multiplied, stay below 2^74.
A product's slot then holds at most 7 * (1 + 3 + 5) such numbers, which is below 2^80, and no slot spills into the next.
"""

from collections.abc import Sequence

from prover.curve.formulas import CUBIC_Z, DEGREE, Element
from prover.field.koalabear import PRIME

SLOT_BITS = 80
"""Room for one coefficient of a product: 31 + 31 bits, 6 for the sums of the reduction, 12 for loose factors."""

SLOT_MASK = (1 << SLOT_BITS) - 1
LOW_MASK = (1 << SLOT_BITS * DEGREE) - 1
REDUCTION = 5 | 3 << SLOT_BITS
"""z^7 = 3 z + 5, packed: the high half of a product times this lands on the low half."""

MULTIPLE_OF_PRIME = sum(16 * PRIME << SLOT_BITS * slot for slot in range(DEGREE))
"""16 p in every slot: added before a subtraction so that no slot borrows from the next."""


def pack(element: Sequence[int]) -> int:
    """Pack seven non-negative coefficients, constant term first."""
    c0, c1, c2, c3, c4, c5, c6 = element
    return c0 | c1 << 80 | c2 << 160 | c3 << 240 | c4 << 320 | c5 << 400 | c6 << 480


def unpack(packed: int) -> Element:
    """The seven canonical coefficients of a packed element, loose or not."""
    mask, prime = SLOT_MASK, PRIME
    return (
        (packed & mask) % prime,
        (packed >> 80 & mask) % prime,
        (packed >> 160 & mask) % prime,
        (packed >> 240 & mask) % prime,
        (packed >> 320 & mask) % prime,
        (packed >> 400 & mask) % prime,
        (packed >> 480) % prime,
    )


def canonical(packed: int) -> int:
    """The same element with every slot below p."""
    mask, prime = SLOT_MASK, PRIME
    return (
        (packed & mask) % prime
        | (packed >> 80 & mask) % prime << 80
        | (packed >> 160 & mask) % prime << 160
        | (packed >> 240 & mask) % prime << 240
        | (packed >> 320 & mask) % prime << 320
        | (packed >> 400 & mask) % prime << 400
        | (packed >> 480) % prime << 480
    )


def subtract(left: int, right: int) -> int:
    """A loose difference.

    The slots of `right` must be at most 16 p; those of the result are below the slots of `left` plus 16 p.
    """
    return left + MULTIPLE_OF_PRIME - right


def multiply(left: int, right: int) -> int:
    """The canonical product of two loose elements."""
    product = left * right
    return canonical((product & LOW_MASK) + (product >> 560) * REDUCTION)


def inverse(element: int) -> int:
    """The canonical inverse; the inverse of zero is zero, so callers compare with zero first.

    With r = p + p^2 + ... + p^6 the power a^(r+1) is the norm, which lies in GF(p): the inverse is a^r / norm.
    """
    conjugates = _product_of_conjugates(element)
    return scale(conjugates, _base_inverse(_constant_term(element, conjugates)))


def scale(element: int, factor: int) -> int:
    """The canonical product of a loose element and a canonical element of GF(p)."""
    return canonical(element * factor)


def frobenius(element: int, times: int) -> int:
    """The canonical p^times-th power: a linear map, applied as one sum of packed columns."""
    mask = SLOT_MASK
    k1, k2, k3, k4, k5, k6 = _FROBENIUS_COLUMNS[times]
    return canonical(
        (element & mask)
        + (element >> 80 & mask) * k1
        + (element >> 160 & mask) * k2
        + (element >> 240 & mask) * k3
        + (element >> 320 & mask) * k4
        + (element >> 400 & mask) * k5
        + (element >> 480) * k6
    )


def power(element: int, exponent: int) -> int:
    """The canonical power with a non-negative exponent."""
    result = 1
    for bit in f"{exponent:b}":
        result = multiply(result, result)
        if bit == "1":
            result = multiply(result, element)
    return result


def norm(element: int) -> int:
    """The product of the seven conjugates, an element of GF(p).

    The group of GF(p^7) has order (p - 1) times an odd number, so an element is a square exactly when its norm is one.
    """
    return _constant_term(element, _product_of_conjugates(element))


def square_root(element: int) -> int | None:
    """The square root whose first nonzero coefficient is at most (p - 1) / 2, or None.

    Let r + 1 = 1 + p + ... + p^6, which is odd.
    Then a^((r + 2) / 2) squared is a times the norm, so dividing it by a root of the norm gives a root of a.
    The exponent is 1 + p (p + 1)/2 (1 + p^2 + p^4): one power with 31 bits, three Frobenius maps, three products.
    """
    if canonical(element) == 0:
        return 0
    root_of_norm = _base_square_root(norm(element))
    if root_of_norm is None:
        return None
    half = power(element, (PRIME + 1) // 2)
    spread = multiply(multiply(half, frobenius(half, 2)), frobenius(half, 4))
    root = scale(multiply(frobenius(spread, 1), element), _base_inverse(root_of_norm))
    leading = next(coefficient for coefficient in unpack(root) if coefficient != 0)
    return root if leading <= (PRIME - 1) // 2 else canonical(subtract(0, root))


def _product_of_conjugates(element: int) -> int:
    """The power a^(p + p^2 + ... + p^6), by Itoh and Tsujii: three products for six conjugates."""
    one = frobenius(element, 1)
    two = multiply(one, frobenius(one, 1))
    three = multiply(two, frobenius(one, 2))
    return multiply(three, frobenius(three, 3))


def _constant_term(left: int, right: int) -> int:
    """The constant coefficient of a product that is known to lie in GF(p)."""
    product = left * right
    return ((product & SLOT_MASK) + (product >> 560 & SLOT_MASK) * 5) % PRIME


def _base_inverse(value: int) -> int:
    """The inverse in GF(p), zero for zero."""
    return pow(value, PRIME - 2, PRIME) if value == 0 else pow(value, -1, PRIME)


def _base_square_root(value: int) -> int | None:
    """A square root in GF(p) by Tonelli and Shanks, or None."""
    if pow(value, (PRIME - 1) // 2, PRIME) != 1:
        return None
    odd, order_bits = 127, 24
    root, error = pow(value, (odd + 1) // 2, PRIME), pow(value, odd, PRIME)
    correction = pow(3, odd, PRIME)
    while error != 1:
        level, probe = 0, error
        while probe != 1:
            probe, level = probe * probe % PRIME, level + 1
        factor = pow(correction, 1 << (order_bits - level - 1), PRIME)
        root, correction = root * factor % PRIME, factor * factor % PRIME
        error, order_bits = error * correction % PRIME, level
    return root


def _frobenius_columns(times: int) -> tuple[int, ...]:
    """The images of z, z^2, ..., z^6 under the map a -> a^(p^times)."""
    image = 1 << SLOT_BITS
    for _ in range(times):
        image = power(image, PRIME)
    columns = [image]
    for _ in range(DEGREE - 2):
        columns.append(multiply(columns[-1], image))
    return tuple(columns)


_FROBENIUS_COLUMNS = tuple(_frobenius_columns(times) for times in range(DEGREE))

CUBIC_PACKED = CUBIC_Z << 3 * SLOT_BITS
"""The curve's constant term 41 z^3."""
