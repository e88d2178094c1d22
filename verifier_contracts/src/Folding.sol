// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Extension} from "./Extension.sol";
import {Memory} from "./Memory.sol";

/// Roots of unity, and the formula by which a word is folded (`prover/fri/folding.py`).
library Folding {
    uint256 internal constant TWO_ADICITY = 24;

    /// A root of order 2^24 and its inverse.
    uint256 private constant ROOT = 1791270792;
    uint256 private constant INVERSE_ROOT = 1796240327;

    /// (p + 1) / 2, the inverse of two.
    uint256 private constant HALF = 0x3f800001;

    /// A table of the roots of order 2^k for every k up to 24, or of their inverses.
    function rootTable(bool inverted) internal pure returns (uint256 table) {
        unchecked {
            table = Memory.allocate(TWO_ADICITY + 1);
            uint256 root = inverted ? INVERSE_ROOT : ROOT;
            for (uint256 k = TWO_ADICITY + 1; k != 0;) {
                --k;
                Memory.set(table, k, root);
                root = mulmod(root, root, Extension.PRIME);
            }
        }
    }

    /// The root of order 2^logSize of a table, raised to a power below that.
    function rootPower(uint256 table, uint256 logSize, uint256 exponent) internal pure returns (uint256 result) {
        result = 1;
        unchecked {
            for (; exponent != 0; exponent >>= 1) {
                if (exponent & 1 == 1) result = mulmod(result, Memory.get(table, logSize), Extension.PRIME);
                --logSize;
            }
        }
    }

    function raisedToTwoPower(uint256 value, uint256 logExponent) internal pure returns (uint256) {
        unchecked {
            for (; logExponent != 0; --logExponent) {
                value = mulmod(value, value, Extension.PRIME);
            }
            return value;
        }
    }

    /// The powers of the inverse root of order 8 that a fold by up to eight divides by.
    function divisors(uint256 inverseRoots) internal pure returns (uint256 table) {
        unchecked {
            table = Memory.allocate(4);
            uint256 value = 1;
            for (uint256 k = 0; k < 4; ++k) {
                Memory.set(table, k, value);
                value = mulmod(value, Memory.get(inverseRoots, 3), Extension.PRIME);
            }
        }
    }

    /// Fold a row of the calldata: value m lies at x times the m-th power of the root whose order is the row's length.
    /// `maps` are those of the challenge raised to 1, 2, 4, ..; `inverse` is one over x.
    function foldRow(uint256 cursor, uint256 logArity, uint256 maps, uint256 inverse, uint256 table)
        internal
        pure
        returns (uint256 value)
    {
        unchecked {
            uint256 values;
            assembly ("memory-safe") {
                values := mload(0x40)
            }
            for (uint256 m = 0; m < 1 << logArity; ++m) {
                Memory.set(values, m, Extension.received(cursor + 20 * m));
            }
            for (uint256 level = logArity; level != 0; --level) {
                uint256 half = 1 << (level - 1);
                for (uint256 m = 0; m < half; ++m) {
                    uint256 scale = mulmod(inverse, Memory.get(table, m << (3 - level)), Extension.PRIME);
                    value = foldPair(Memory.get(values, m), Memory.get(values, m + half), maps, scale);
                    Memory.set(values, m, value);
                }
                // The next level folds in X^2 with the squared challenge, so the quotient of both squares too.
                inverse = mulmod(inverse, inverse, Extension.PRIME);
                maps += Extension.MAP_BYTES;
            }
        }
    }

    /// (f(x) + f(-x)) / 2 + challenge (f(x) - f(-x)) / 2x, where `scale` is one over x.
    function foldPair(uint256 atX, uint256 atMinusX, uint256 map, uint256 scale) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            let primes := mul(0x7f000001, or(or(1, shl(51, 1)), or(shl(102, 1), or(shl(153, 1), shl(204, 1)))))
            let d := sub(add(atX, primes), atMinusX)
            let s := add(atX, atMinusX)
            let f := shr(204, d)
            let low := mul(f, mload(map))
            let high := mul(f, mload(add(map, 32)))
            f := and(shr(153, d), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 64))))
            high := add(high, mul(f, mload(add(map, 96))))
            f := and(shr(102, d), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 128))))
            high := add(high, mul(f, mload(add(map, 160))))
            f := and(shr(51, d), 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 192))))
            high := add(high, mul(f, mload(add(map, 224))))
            f := and(d, 0x7ffffffffffff)
            low := add(low, mul(f, mload(add(map, 256))))
            high := add(high, mul(f, mload(add(map, 288))))
            let lane := 0x1fffffffffffffffffffff
            r := mod(mul(HALF, add(and(s, 0x7ffffffffffff), mul(scale, and(low, lane)))), 0x7f000001)
            f := mod(
                mul(HALF, add(and(shr(51, s), 0x7ffffffffffff), mul(scale, and(shr(85, low), lane)))), 0x7f000001
            )
            r := or(r, shl(51, f))
            f := mod(mul(HALF, add(and(shr(102, s), 0x7ffffffffffff), mul(scale, shr(170, low)))), 0x7f000001)
            r := or(r, shl(102, f))
            f := mod(mul(HALF, add(and(shr(153, s), 0x7ffffffffffff), mul(scale, and(high, lane)))), 0x7f000001)
            r := or(r, shl(153, f))
            f := mod(mul(HALF, add(shr(204, s), mul(scale, shr(85, high)))), 0x7f000001)
            r := or(r, shl(204, f))
        }
    }

    /// The value of a polynomial with wide coefficients, the constant one first, at a base element.
    function evaluate(uint256 coefficients, uint256 count, uint256 x) internal pure returns (uint256) {
        uint256 low;
        uint256 high;
        assembly ("memory-safe") {
            let power := 1
            for { let end := add(coefficients, shl(6, count)) } lt(coefficients, end) {
                coefficients := add(coefficients, 64)
            } {
                low := add(low, mul(power, mload(coefficients)))
                high := add(high, mul(power, mload(add(coefficients, 32))))
                power := mulmod(power, x, 0x7f000001)
            }
        }
        return Extension.narrow(low, high);
    }
}
