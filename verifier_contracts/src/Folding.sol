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

    /// p - (p - 1) / 8, the inverse of eight: every level of a fold halves, and all of them are made up for at once.
    uint256 private constant EIGHTH = 0x6f200001;

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

    /// For the root of order 2^logSize: its powers by four bits of an exponent at a time, sixteen for each of six.
    function powerTable(uint256 roots, uint256 logSize) internal pure returns (uint256 table) {
        unchecked {
            table = Memory.allocate(96);
            for (uint256 window = 0; window < 6; ++window) {
                uint256 root = logSize > 4 * window ? Memory.get(roots, logSize - 4 * window) : 1;
                uint256 power = 1;
                for (uint256 k = 0; k < 16; ++k) {
                    Memory.set(table, 16 * window + k, power);
                    power = mulmod(power, root, Extension.PRIME);
                }
            }
        }
    }

    /// Raise the root of a table to an exponent below 2^24.
    function rootPower(uint256 table, uint256 exponent) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := mload(add(table, shl(5, and(exponent, 15))))
            for { exponent := shr(4, exponent) } exponent { exponent := shr(4, exponent) } {
                table := add(table, 512)
                result := mulmod(result, mload(add(table, shl(5, and(exponent, 15)))), 0x7f000001)
            }
        }
    }

    /// Write the inverses of so many base elements, none of them zero.
    function invertPoints(uint256 points, uint256 inverses, uint256 count) internal pure {
        unchecked {
            uint256 running = 1;
            for (uint256 k = 0; k < count; ++k) {
                Memory.set(inverses, k, running);
                running = mulmod(running, Memory.get(points, k), Extension.PRIME);
            }
            running = Extension.baseInverse(running);
            for (uint256 k = count; k != 0;) {
                --k;
                Memory.set(inverses, k, mulmod(running, Memory.get(inverses, k), Extension.PRIME));
                running = mulmod(running, Memory.get(points, k), Extension.PRIME);
            }
        }
    }

    /// Square two base elements so many times.
    function raisedTogether(uint256 one, uint256 other, uint256 logExponent)
        internal
        pure
        returns (uint256, uint256)
    {
        assembly ("memory-safe") {
            for {} logExponent { logExponent := sub(logExponent, 1) } {
                one := mulmod(one, one, 0x7f000001)
                other := mulmod(other, other, 0x7f000001)
            }
        }
        return (one, other);
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

    /// The root of order 2^logArity, raised to a power below that: minus the inverse root of half a turn more or less.
    function chosenRoot(uint256 table, uint256 logArity, uint256 chosen) internal pure returns (uint256) {
        unchecked {
            // The table holds four inverse powers of the root of order 8; the other four are their opposites.
            uint256 place = (8 - (chosen << (3 - logArity))) & 7;
            uint256 root = Memory.get(table, place & 3);
            return place > 3 ? Extension.PRIME - root : root;
        }
    }

    /// Fold a row of the calldata: value m lies at x times the m-th power of the root whose order is the row's length.
    /// `maps` are those of the challenge raised to 1, 2, 4, ..; `inverse` is one over x.
    ///
    /// A pair becomes (f(x) + f(-x)) / 2 + challenge (f(x) - f(-x)) / 2x.
    /// The next level folds in X^2 with the squared challenge, so the quotient of both squares too.
    function foldRow(uint256 cursor, uint256 logArity, uint256 maps, uint256 inverse, uint256 table)
        internal
        pure
        returns (uint256 value)
    {
        unchecked {
            uint256 half = 20 << (logArity - 1);
            if (logArity == 1) {
                value = sentPair(cursor, half, inverse, maps);
            } else {
                uint256 other;
                uint256 quarter = mulmod(inverse, Memory.get(table, 2), Extension.PRIME);
                if (logArity == 2) {
                    value = sentPair(cursor, half, inverse, maps);
                    other = sentPair(cursor + 20, half, quarter, maps);
                } else {
                    value = sentPair(cursor, half, inverse, maps);
                    other = sentPair(cursor + 40, half, quarter, maps);
                    uint256 eighth = mulmod(inverse, Memory.get(table, 1), Extension.PRIME);
                    uint256 third = sentPair(cursor + 20, half, eighth, maps);
                    eighth = mulmod(inverse, Memory.get(table, 3), Extension.PRIME);
                    eighth = sentPair(cursor + 60, half, eighth, maps);
                    maps += Extension.MAP_BYTES;
                    inverse = mulmod(inverse, inverse, Extension.PRIME);
                    value = pair(value, other, inverse, maps);
                    quarter = mulmod(inverse, Memory.get(table, 2), Extension.PRIME);
                    other = pair(third, eighth, quarter, maps);
                }
                inverse = mulmod(inverse, inverse, Extension.PRIME);
                value = pair(value, other, inverse, maps + Extension.MAP_BYTES);
            }
            return Extension.scaled(value, EIGHTH << (3 - logArity));
        }
    }

    /// Fold a value of the calldata and the one that stands so many bytes behind it; `scale` is one over the first one's x.
    function sentPair(uint256 cursor, uint256 half, uint256 scale, uint256 map) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            // Lanes of 32 bits as they are sent: twice the prime still fits.
            let s := shr(96, calldataload(cursor))
            let d := shr(96, calldataload(add(cursor, half)))
            // In this order no lane goes below zero or above its 32 bits.
            mstore(0, sub(add(s, 0x7f0000017f0000017f0000017f0000017f000001), d))
            s := add(s, d)
            d := mload(0)
            let f := shr(128, d)
            let low := mul(f, mload(map))
            let high := mul(f, mload(add(map, 32)))
            f := and(shr(96, d), 0xffffffff)
            low := add(low, mul(f, mload(add(map, 64))))
            high := add(high, mul(f, mload(add(map, 96))))
            f := and(shr(64, d), 0xffffffff)
            low := add(low, mul(f, mload(add(map, 128))))
            high := add(high, mul(f, mload(add(map, 160))))
            f := and(shr(32, d), 0xffffffff)
            low := add(low, mul(f, mload(add(map, 192))))
            high := add(high, mul(f, mload(add(map, 224))))
            f := and(d, 0xffffffff)
            low := add(low, mul(f, mload(add(map, 256))))
            high := add(high, mul(f, mload(add(map, 288))))
            let lane := 0x1fffffffffffffffffffff
            value := mod(add(and(s, 0xffffffff), mul(scale, and(low, lane))), 0x7f000001)
            value := or(
                value, shl(51, mod(add(and(shr(32, s), 0xffffffff), mul(scale, and(shr(85, low), lane))), 0x7f000001))
            )
            value := or(
                value, shl(102, mod(add(and(shr(64, s), 0xffffffff), mul(scale, shr(170, low))), 0x7f000001))
            )
            value := or(
                value, shl(153, mod(add(and(shr(96, s), 0xffffffff), mul(scale, and(high, lane))), 0x7f000001))
            )
            value := or(value, shl(204, mod(add(shr(128, s), mul(scale, shr(85, high))), 0x7f000001)))
        }
    }

    /// The same for two narrow values.
    function pair(uint256 left, uint256 right, uint256 scale, uint256 map) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            let s := add(left, right)
            // s - 2 f(-x) + 2p: the difference, with 2p so that no lane goes below zero.
            let d := sub(add(s, 0xfe00000200001fc00000400003f800000800007f00000100000fe000002), shl(1, right))
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
            value := mod(add(and(s, 0x7ffffffffffff), mul(scale, and(low, lane))), 0x7f000001)
            value := or(
                value,
                shl(51, mod(add(and(shr(51, s), 0x7ffffffffffff), mul(scale, and(shr(85, low), lane))), 0x7f000001))
            )
            value := or(
                value, shl(102, mod(add(and(shr(102, s), 0x7ffffffffffff), mul(scale, shr(170, low))), 0x7f000001))
            )
            value := or(
                value, shl(153, mod(add(and(shr(153, s), 0x7ffffffffffff), mul(scale, and(high, lane))), 0x7f000001))
            )
            value := or(value, shl(204, mod(add(shr(204, s), mul(scale, shr(85, high))), 0x7f000001)))
        }
    }

    /// The value of a polynomial with wide coefficients, the constant one first, at a base element.
    /// Four are taken at a time.
    function evaluate(uint256 coefficients, uint256 count, uint256 x) internal pure returns (uint256) {
        uint256 low;
        uint256 high;
        assembly ("memory-safe") {
            let power := 1
            let end := add(coefficients, shl(6, count))
            for { let whole := sub(end, shl(6, and(count, 3))) } lt(coefficients, whole) {} {
                low := add(low, mul(power, mload(coefficients)))
                high := add(high, mul(power, mload(add(coefficients, 0x20))))
                power := mulmod(power, x, 0x7f000001)
                low := add(low, mul(power, mload(add(coefficients, 0x40))))
                high := add(high, mul(power, mload(add(coefficients, 0x60))))
                power := mulmod(power, x, 0x7f000001)
                low := add(low, mul(power, mload(add(coefficients, 0x80))))
                high := add(high, mul(power, mload(add(coefficients, 0xa0))))
                power := mulmod(power, x, 0x7f000001)
                low := add(low, mul(power, mload(add(coefficients, 0xc0))))
                high := add(high, mul(power, mload(add(coefficients, 0xe0))))
                power := mulmod(power, x, 0x7f000001)
                coefficients := add(coefficients, 0x100)
            }
            for {} lt(coefficients, end) { coefficients := add(coefficients, 64) } {
                low := add(low, mul(power, mload(coefficients)))
                high := add(high, mul(power, mload(add(coefficients, 32))))
                power := mulmod(power, x, 0x7f000001)
            }
        }
        return Extension.narrow(low, high);
    }
}
