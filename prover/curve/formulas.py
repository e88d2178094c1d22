"""The septic field and curve as polynomials, written once over any ring.

The reference calls them with integers and reduces modulo p; a circuit calls them with symbolic expressions of columns.
An element of GF(p^7) is seven ring elements, constant term first.
Functions named `..._residual` give seven polynomials: the relation holds exactly when all seven are zero modulo p.
"""

from typing import Protocol, Self, TypeAlias, TypeVar


class Ring(Protocol):
    """The operations a formula may use; a right operand may also be an integer constant."""

    def __add__(self, other: Self | int, /) -> Self: ...
    def __sub__(self, other: Self | int, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...


R = TypeVar("R", bound=Ring)

Septic: TypeAlias = tuple[R, R, R, R, R, R, R]
"""An element of GF(p^7) over the ring."""

Element: TypeAlias = tuple[int, int, int, int, int, int, int]
"""An element of GF(p^7) as canonical integers."""

DEGREE = 7

LINEAR = 45
"""The coefficient of x in the curve's equation."""

CUBIC_Z = 41
"""The coefficient of z^3 in the curve's equation: the constant term is 41 z^3, so it lies in no smaller field."""


def add(left: Septic[R], right: Septic[R]) -> Septic[R]:
    """The sum."""
    a0, a1, a2, a3, a4, a5, a6 = left
    b0, b1, b2, b3, b4, b5, b6 = right
    return (a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4, a5 + b5, a6 + b6)


def subtract(left: Septic[R], right: Septic[R]) -> Septic[R]:
    """The difference."""
    a0, a1, a2, a3, a4, a5, a6 = left
    b0, b1, b2, b3, b4, b5, b6 = right
    return (a0 - b0, a1 - b1, a2 - b2, a3 - b3, a4 - b4, a5 - b5, a6 - b6)


def multiply(left: Septic[R], right: Septic[R]) -> Septic[R]:
    """The product modulo z^7 - 3 z - 5."""
    a0, a1, a2, a3, a4, a5, a6 = left
    b0, b1, b2, b3, b4, b5, b6 = right
    d0 = a0 * b0
    d1 = a0 * b1 + a1 * b0
    d2 = a0 * b2 + a1 * b1 + a2 * b0
    d3 = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0
    d4 = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0
    d5 = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0
    d6 = a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0
    d7 = a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1
    d8 = a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2
    d9 = a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3
    d10 = a4 * b6 + a5 * b5 + a6 * b4
    d11 = a5 * b6 + a6 * b5
    d12 = a6 * b6
    return (
        d0 + d7 * 5,
        d1 + d7 * 3 + d8 * 5,
        d2 + d8 * 3 + d9 * 5,
        d3 + d9 * 3 + d10 * 5,
        d4 + d10 * 3 + d11 * 5,
        d5 + d11 * 3 + d12 * 5,
        d6 + d12 * 3,
    )


def square(element: Septic[R]) -> Septic[R]:
    """The square: 28 products where `multiply` takes 49."""
    a0, a1, a2, a3, a4, a5, a6 = element
    e0, e1, e2, e3, e4, e5 = a0 + a0, a1 + a1, a2 + a2, a3 + a3, a4 + a4, a5 + a5
    d7 = e1 * a6 + e2 * a5 + e3 * a4
    d8 = e2 * a6 + e3 * a5 + a4 * a4
    d9 = e3 * a6 + e4 * a5
    d10 = e4 * a6 + a5 * a5
    d11 = e5 * a6
    d12 = a6 * a6
    return (
        a0 * a0 + d7 * 5,
        e0 * a1 + d7 * 3 + d8 * 5,
        e0 * a2 + a1 * a1 + d8 * 3 + d9 * 5,
        e0 * a3 + e1 * a2 + d9 * 3 + d10 * 5,
        e0 * a4 + e1 * a3 + a2 * a2 + d10 * 3 + d11 * 5,
        e0 * a5 + e1 * a4 + e2 * a3 + d11 * 3 + d12 * 5,
        e0 * a6 + e1 * a5 + e2 * a4 + a3 * a3 + d12 * 3,
    )


def curve_residual(x: Septic[R], y: Septic[R]) -> Septic[R]:
    """Zero exactly for points of the curve: y^2 - (x^2 + 45) x - 41 z^3; degree 3 in the coordinates."""
    s0, s1, s2, s3, s4, s5, s6 = square(x)
    cubic = multiply((s0 + LINEAR, s1, s2, s3, s4, s5, s6), x)
    r0, r1, r2, r3, r4, r5, r6 = subtract(square(y), cubic)
    return (r0, r1, r2, r3 - CUBIC_Z, r4, r5, r6)


def apart_residual(witness: tuple[R, R], left_x: Septic[R], right_x: Septic[R]) -> R:
    """Zero only when the points differ in the first or second coefficient of x; degree 2, 3 where left_x is a sum's.

    Soundness: without it an addition of a point to itself leaves the slope free, and the sum can be any point.
    Where the two coefficients agree no witness exists.
    """
    return witness[0] * (right_x[0] - left_x[0]) + witness[1] * (right_x[1] - left_x[1]) - 1


def tangent_residual(slope: Septic[R], x: Septic[R], y: Septic[R]) -> Septic[R]:
    """Zero exactly when the slope is that of the tangent at a point; degree 2.

    No inverse is needed: y is not zero on a point of the curve, because the order is odd.
    """
    double_y = add(y, y)
    squared = square(x)
    tripled = add(add(squared, squared), squared)
    r0, r1, r2, r3, r4, r5, r6 = subtract(multiply(slope, double_y), tripled)
    return (r0 - LINEAR, r1, r2, r3, r4, r5, r6)


def chord_residual(
    slope: Septic[R], left_x: Septic[R], left_y: Septic[R], right_x: Septic[R], right_y: Septic[R]
) -> Septic[R]:
    """Zero exactly when the slope is that of the chord through two points with different x; degree 2."""
    return subtract(multiply(slope, subtract(right_x, left_x)), subtract(right_y, left_y))


def sum_x(slope: Septic[R], left_x: Septic[R], right_x: Septic[R]) -> Septic[R]:
    """The x of the sum of two points, from the slope of their chord; degree 2."""
    return subtract(subtract(square(slope), left_x), right_x)


def double_x(slope: Septic[R], x: Septic[R]) -> Septic[R]:
    """The x of twice a point, from the slope of its tangent; degree 2."""
    return subtract(square(slope), add(x, x))


def sum_y(slope: Septic[R], left_x: Septic[R], left_y: Septic[R], result_x: Septic[R]) -> Septic[R]:
    """The y of the sum of two points; degree 2 where result_x is a column, 3 where it is `sum_x`."""
    return subtract(multiply(slope, subtract(left_x, result_x)), left_y)


def second_chord_residual(
    slope: Septic[R], second_slope: Septic[R], left_x: Septic[R], left_y: Septic[R], right_x: Septic[R]
) -> Septic[R]:
    """Zero exactly when `second_slope` is the chord's through P and P + Q, given the slope through P and Q.

    The y of P + Q is not needed: (slope + second_slope) (x(P + Q) - x(P)) = -2 y(P).  Degree 3.
    No witness is needed either: P + Q = P cannot be, Q not being the identity, and where P + Q = -P
    the left side is zero while y(P) is not (the order is odd), so that no second slope exists.
    """
    middle_x = sum_x(slope, left_x, right_x)
    return add(multiply(add(slope, second_slope), subtract(middle_x, left_x)), add(left_y, left_y))


def double_and_add_x(slope: Septic[R], second_slope: Septic[R], right_x: Septic[R]) -> Septic[R]:
    """The x of 2 P + Q = (P + Q) + P; degree 2."""
    return add(subtract(square(second_slope), square(slope)), right_x)
