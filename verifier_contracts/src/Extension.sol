// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// GF(p^5) = GF(p)[X] / (X^5 + X^2 - 1), p = 2^31 - 2^24 + 1, five coordinates to a word.
///
///     sent      twenty bytes, the constant coordinate first, as a proof holds it
///     narrow    five lanes of 51 bits, the constant coordinate highest: every value outside this library
///     wide      lanes of 85 bits in two words, coordinates 4, 3, 2 and 1, 0 from the low end up: sums of base multiples
///     long      lanes of 85 bits in three words, coefficients of X^2, X, 1, then of X^5 to X^3, then of X^8 to X^6:
///               sums of products before X^5 is replaced; bit 255 of the second and third word counts nowhere
///     map       the five narrow values e, eX, .., eX^4, wide: multiplying by e is then ten products
///
/// Lanes are reduced to [0, p) unless a comment says otherwise.
library Extension {
    uint256 internal constant PRIME = 0x7f000001;
    uint256 internal constant LANE = (1 << 51) - 1;
    uint256 internal constant ONE = 1 << 204;

    /// p in every narrow lane: what keeps a difference of lanes from going below zero.
    uint256 internal constant PRIMES =
        PRIME | (PRIME << 51) | (PRIME << 102) | (PRIME << 153) | (PRIME << 204);

    uint256 internal constant MAP_BYTES = 320;

    /// Spread the twenty bytes at a place of the calldata.
    /// @dev Warning: whether they are canonical is checked elsewhere, for many at once.
    function received(uint256 cursor) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            let w := shr(96, calldataload(cursor))
            value := or(
                or(
                    and(w, 0xffffffff),
                    or(shl(19, and(w, shl(32, 0xffffffff))), shl(38, and(w, shl(64, 0xffffffff))))
                ),
                or(shl(57, and(w, shl(96, 0xffffffff))), shl(76, and(w, shl(128, 0xffffffff))))
            )
        }
    }

    /// Reduce lanes.
    function reduced(uint256 value) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := mod(and(value, 0x7ffffffffffff), 0x7f000001)
            r := or(r, shl(51, mod(and(shr(51, value), 0x7ffffffffffff), 0x7f000001)))
            r := or(r, shl(102, mod(and(shr(102, value), 0x7ffffffffffff), 0x7f000001)))
            r := or(r, shl(153, mod(and(shr(153, value), 0x7ffffffffffff), 0x7f000001)))
            r := or(r, shl(204, mod(shr(204, value), 0x7f000001)))
        }
    }

    function sum(uint256 left, uint256 right) internal pure returns (uint256) {
        unchecked {
            return reduced(left + right);
        }
    }

    function difference(uint256 left, uint256 right) internal pure returns (uint256) {
        unchecked {
            return reduced(left + PRIMES - right);
        }
    }

    /// Multiply.
    function product(uint256 a, uint256 b) internal pure returns (uint256) {
        (uint256 upper, uint256 lower) = triples(b);
        return productOf(a, upper, lower);
    }

    /// The coordinates (0, 1, 2) and (2, 3, 4) in lanes of 85 bits, the first one highest.
    function triples(uint256 b) internal pure returns (uint256 upper, uint256 lower) {
        assembly ("memory-safe") {
            upper := or(
                and(shr(102, b), 0x7ffffffffffff),
                or(and(shr(68, b), shl(85, 0x7ffffffffffff)), and(shr(34, b), shl(170, 0x7ffffffffffff)))
            )
            lower := or(
                and(b, 0x7ffffffffffff),
                or(and(shl(34, b), shl(85, 0x7ffffffffffff)), and(shl(68, b), shl(170, 0x7ffffffffffff)))
            )
        }
    }

    /// Multiply by what is given in triples.
    function productOf(uint256 a, uint256 upper, uint256 lower) internal pure returns (uint256) {
        (uint256 first, uint256 second, uint256 third) = longProduct(0, 0, 0, a, upper, lower);
        return shortened(first, second, third);
    }

    /// Add a product to a long value: eleven multiplications of a coordinate of one by three coordinates of the other.
    /// Lanes of reduced factors grow by less than 2^65, so there is room for 2^19 products.
    function longProduct(uint256 first, uint256 second, uint256 third, uint256 a, uint256 upper, uint256 lower)
        internal
        pure
        returns (uint256, uint256, uint256)
    {
        assembly ("memory-safe") {
            let f := shr(204, a)
            first := add(first, mul(f, upper))
            // What is shifted out at the top leaves its lowest bit in bit 255, which counts nowhere.
            second := add(second, mul(f, shl(85, lower)))
            f := and(shr(153, a), 0x7ffffffffffff)
            first := add(first, mul(f, shr(85, upper)))
            second := add(second, mul(f, lower))
            f := and(shr(102, a), 0x7ffffffffffff)
            first := add(first, mul(f, shr(170, upper)))
            second := add(second, mul(f, or(shl(85, upper), and(shr(85, lower), 0x1fffffffffffffffffffff))))
            third := add(third, mul(f, shl(170, lower)))
            f := and(shr(51, a), 0x7ffffffffffff)
            second := add(second, mul(f, upper))
            third := add(third, mul(f, shl(85, lower)))
            f := and(a, 0x7ffffffffffff)
            second := add(second, mul(f, shr(85, upper)))
            third := add(third, mul(f, lower))
        }
        return (first, second, third);
    }

    /// Add a product of two narrow values.
    function withProduct(uint256 first, uint256 second, uint256 third, uint256 a, uint256 b)
        internal
        pure
        returns (uint256, uint256, uint256)
    {
        (uint256 upper, uint256 lower) = triples(b);
        return longProduct(first, second, third, a, upper, lower);
    }

    /// Reduce a long value: X^5 = 1 - X^2, and so on up to X^8.
    function shortened(uint256 first, uint256 second, uint256 third) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let lane := 0x1fffffffffffffffffffff
            let c6 := and(shr(170, third), lane)
            let c7 := and(shr(85, third), lane)
            let c8 := and(third, lane)
            let c5 := and(second, lane)
            // 2^64 p: more than a lane holds, so that no difference goes below zero.
            r := mod(sub(add(and(shr(85, second), lane), 0x7f0000010000000000000000), c7), 0x7f000001)
            r := or(
                r,
                shl(51, mod(sub(add(add(and(shr(170, second), lane), c8), 0x7f0000010000000000000000), c6), 0x7f000001))
            )
            r := or(
                r,
                shl(102, mod(sub(add(add(and(first, lane), add(c7, c8)), 0x7f0000010000000000000000), c5), 0x7f000001))
            )
            r := or(r, shl(153, mod(add(and(shr(85, first), lane), c6), 0x7f000001)))
            r := or(
                r, shl(204, mod(sub(add(add(shr(170, first), c5), 0x7f0000010000000000000000), c8), 0x7f000001))
            )
        }
    }

    /// Multiply by a base element.
    function scaled(uint256 value, uint256 base) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := mod(mul(base, and(value, 0x7ffffffffffff)), 0x7f000001)
            r := or(r, shl(51, mod(mul(base, and(shr(51, value), 0x7ffffffffffff)), 0x7f000001)))
            r := or(r, shl(102, mod(mul(base, and(shr(102, value), 0x7ffffffffffff)), 0x7f000001)))
            r := or(r, shl(153, mod(mul(base, and(shr(153, value), 0x7ffffffffffff)), 0x7f000001)))
            r := or(r, shl(204, mod(mul(base, shr(204, value)), 0x7f000001)))
        }
    }

    /// Take a base element off the constant coordinate.
    function lessBase(uint256 value, uint256 base) internal pure returns (uint256) {
        unchecked {
            uint256 constantTerm = ((value >> 204) + PRIME - base) % PRIME;
            return (value & (ONE - 1)) | (constantTerm << 204);
        }
    }

    /// Square so many times.
    function raisedToTwoPower(uint256 value, uint256 logExponent) internal pure returns (uint256) {
        for (; logExponent != 0; --logExponent) {
            value = product(value, value);
        }
        return value;
    }

    /// Spread a narrow value into two words of wide lanes.
    function widen(uint256 cursor, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(
                cursor,
                or(
                    and(value, 0x7ffffffffffff),
                    or(shl(34, and(value, shl(51, 0x7ffffffffffff))), shl(68, and(value, shl(102, 0x7ffffffffffff))))
                )
            )
            mstore(add(cursor, 32), or(and(shr(153, value), 0x7ffffffffffff), shl(85, shr(204, value))))
        }
    }

    /// Reduce wide lanes and bring them together.
    function narrow(uint256 low, uint256 high) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let lane := 0x1fffffffffffffffffffff
            r := mod(and(low, lane), 0x7f000001)
            r := or(r, shl(51, mod(and(shr(85, low), lane), 0x7f000001)))
            r := or(r, shl(102, mod(shr(170, low), 0x7f000001)))
            r := or(r, shl(153, mod(and(high, lane), 0x7f000001)))
            r := or(r, shl(204, mod(shr(85, high), 0x7f000001)))
        }
    }

    /// Multiply by X: the top coordinate returns as X^5 = 1 - X^2.
    function timesX(uint256 value) internal pure returns (uint256 r) {
        unchecked {
            uint256 top = value & LANE;
            r = (value >> 51) | (top << 204);
            uint256 square = (((r >> 102) & LANE) + PRIME - top) % PRIME;
            return (r & ~(LANE << 102)) | (square << 102);
        }
    }

    /// Write the map of a value.
    function writeMap(uint256 cursor, uint256 value) internal pure {
        unchecked {
            for (uint256 end = cursor + MAP_BYTES; cursor < end; cursor += 64) {
                widen(cursor, value);
                value = timesX(value);
            }
        }
    }

    /// Multiply by the value of a map.
    function mapped(uint256 map, uint256 value) internal pure returns (uint256) {
        uint256 low;
        uint256 high;
        assembly ("memory-safe") {
            let f := shr(204, value)
            low := mul(f, mload(map))
            high := mul(f, mload(add(map, 32)))
            f := and(shr(153, value), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 64))))
            high := add(high, mul(f, mload(add(map, 96))))
            f := and(shr(102, value), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 128))))
            high := add(high, mul(f, mload(add(map, 160))))
            f := and(shr(51, value), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 192))))
            high := add(high, mul(f, mload(add(map, 224))))
            f := and(value, 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 256))))
            high := add(high, mul(f, mload(add(map, 288))))
        }
        return narrow(low, high);
    }

    /// Raise to the power p: linear, so that what X, .., X^4 become decides it.
    function frobenius(uint256 value) internal pure returns (uint256) {
        uint256 low;
        uint256 high;
        assembly ("memory-safe") {
            let f := and(shr(153, value), 0x7ffffffffffff)
            low := mul(f, 0x175c285e400000000000008fdea70e000000000000000250cf2)
            high := add(shl(85, shr(204, value)), mul(f, 0xbbebfdd6000000000000045ecc3a0))
            f := and(shr(102, value), 0x7ffffffffffff)
            low := add(low, mul(f, 0x92af1d600000000000000a48575340000000000000119bee90))
            high := add(high, mul(f, 0xc8501320000000000000000151662))
            f := and(shr(51, value), 0x7ffffffffffff)
            low := add(low, mul(f, 0xa814f6b80000000000000ac54d2d000000000000001e02e144))
            high := add(high, mul(f, 0x34994b4800000000000001342862e))
            f := and(value, 0x7ffffffffffff)
            low := add(low, mul(f, 0x1ded7fcbc00000000000001117372c00000000000003d3d0ba1))
            high := add(high, mul(f, 0xa2a787820000000000000443b54a6))
        }
        return narrow(low, high);
    }

    /// Invert a base element; zero stays zero.
    function baseInverse(uint256 value) internal pure returns (uint256 result) {
        result = 1;
        unchecked {
            for (uint256 exponent = PRIME - 2; exponent != 0; exponent >>= 1) {
                if (exponent & 1 == 1) result = mulmod(result, value, PRIME);
                value = mulmod(value, value, PRIME);
            }
        }
    }

    /// Invert through the norm: the product of all conjugates lies in the base field. Zero stays zero.
    function inverse(uint256 value) internal pure returns (uint256) {
        unchecked {
            uint256 first = frobenius(value);
            uint256 others = product(first, frobenius(first));
            others = product(others, frobenius(frobenius(others)));
            uint256 scale = baseInverse(product(value, others) >> 204);
            return scaled(others, scale);
        }
    }

    /// Write 1 / (value - x) for so many base elements x in memory; false if one of these differences is zero.
    ///
    /// The product N of X - c over the value and its other conjugates c has base coefficients, and A = N / (X - value)
    /// is the product over the others. So 1 / (value - x) = -A(x) / N(x): one base inversion serves all x.
    /// @dev The memory behind the free memory pointer is used.
    function invertDifferences(uint256 value, uint256 places, uint256 count, uint256 target)
        internal
        pure
        returns (bool)
    {
        unchecked {
            uint256 coefficients;
            assembly ("memory-safe") {
                coefficients := mload(0x40)
            }
            {
                // A: two conjugates make (X^2 - s X + t), their images under p^2 the other two.
                uint256 s = frobenius(value);
                uint256 t = frobenius(s);
                (s, t) = (sum(s, t), product(s, t));
                uint256 u = frobenius(frobenius(s));
                uint256 v = frobenius(frobenius(t));
                uint256 above = difference(0, sum(s, u));
                setCoefficient(coefficients, 4, above, value);
                uint256 next = sum(sum(t, v), product(s, u));
                setCoefficient(coefficients, 3, next, product(value, above));
                above = difference(0, sum(product(s, v), product(t, u)));
                setCoefficient(coefficients, 2, above, product(value, next));
                next = product(t, v);
                setCoefficient(coefficients, 1, next, product(value, above));
                setCoefficient(coefficients, 0, 0, product(value, next));
            }
            uint256 running = 1;
            for (uint256 k = 0; k < 32 * count; k += 32) {
                assembly ("memory-safe") {
                    let x := mload(add(places, k))
                    let norm := add(x, mload(add(coefficients, 384)))
                    norm := add(mulmod(norm, x, 0x7f000001), mload(add(coefficients, 288)))
                    norm := add(mulmod(norm, x, 0x7f000001), mload(add(coefficients, 192)))
                    norm := add(mulmod(norm, x, 0x7f000001), mload(add(coefficients, 96)))
                    norm := add(mulmod(norm, x, 0x7f000001), mload(coefficients))
                    mstore(add(target, k), norm)
                    mstore(add(add(coefficients, 480), k), running)
                    running := mulmod(running, norm, 0x7f000001)
                }
            }
            if (running == 0) return false;
            running = baseInverse(running);
            for (uint256 k = 32 * count; k != 0;) {
                k -= 32;
                uint256 low;
                uint256 high;
                assembly ("memory-safe") {
                    let x := mload(add(places, k))
                    let f := sub(0x7f000001, mulmod(running, mload(add(add(coefficients, 480), k)), 0x7f000001))
                    running := mulmod(running, mload(add(target, k)), 0x7f000001)
                    low := mul(f, mload(add(coefficients, 128)))
                    high := mul(f, mload(add(coefficients, 160)))
                    f := mulmod(f, x, 0x7f000001)
                    low := add(low, mul(f, mload(add(coefficients, 224))))
                    high := add(high, mul(f, mload(add(coefficients, 256))))
                    f := mulmod(f, x, 0x7f000001)
                    low := add(low, mul(f, mload(add(coefficients, 320))))
                    high := add(high, mul(f, mload(add(coefficients, 352))))
                    f := mulmod(f, x, 0x7f000001)
                    low := add(low, mul(f, mload(add(coefficients, 416))))
                    high := add(high, mul(f, mload(add(coefficients, 448))))
                    high := add(high, shl(85, mulmod(f, x, 0x7f000001)))
                }
                uint256 inverted = narrow(low, high);
                assembly ("memory-safe") {
                    mstore(add(target, k), inverted)
                }
            }
            return true;
        }
    }

    /// Keep a coefficient of A, wide, behind the norm's coefficient of that degree: the base part of a difference.
    function setCoefficient(uint256 coefficients, uint256 degree, uint256 minuend, uint256 subtrahend) private pure {
        unchecked {
            uint256 norm = ((minuend >> 204) + PRIME - (subtrahend >> 204)) % PRIME;
            uint256 place = coefficients + 96 * degree;
            assembly ("memory-safe") {
                mstore(place, norm)
            }
            widen(place + 32, minuend);
        }
    }
}
