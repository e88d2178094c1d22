// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Extension} from "./Extension.sol";

/// Runs the tapes of `prover/export/tape.py`: every instruction computes one register from a sum of terms.
library ConstraintTape {
    /// Run the forms between two places of memory over registers, which hold reduced narrow values.
    /// @dev The description that holds the tape is trusted: it decides which registers are written.
    function run(uint256 cursor, uint256 end, uint256 registers) internal pure {
        unchecked {
            while (cursor < end) {
                uint256 header;
                assembly ("memory-safe") {
                    header := mload(cursor)
                }
                cursor += 8;
                // Most forms are weighted sums alone, or have none.
                uint256 counts = (header >> 216) & 0xffffff;
                uint256 value = 0;
                if (counts != 0) (value, cursor) = weighted(cursor, counts, registers);
                counts = (header >> 192) & 0xffffff;
                if (counts == 0) value = Extension.reduced(value);
                else (value, cursor) = multiplied(value, cursor, counts, registers);
                assembly ("memory-safe") {
                    mstore(add(registers, shl(5, shr(240, header))), value)
                }
            }
        }
    }

    /// Add the terms that multiply by base elements, then the products; returns the reduced sum and the place behind.
    function multiplied(uint256 value, uint256 cursor, uint256 counts, uint256 registers)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            uint256 first = 0;
            uint256 second = 0;
            uint256 third = 0;
            if (value != 0 || counts > 0xfff) {
                uint256 limit = cursor + 4 * (counts >> 12);
                (first, second) = scaledTerms(value, cursor, limit, registers);
                cursor = limit;
                counts &= 0xfff;
            }
            // Called from several places, the term stays a function with a stack of its own.
            if (counts & 1 != 0) {
                (first, second, third) = withProduct(first, second, third, cursor, registers);
                cursor += 4;
            }
            for (counts >>= 1; counts != 0; --counts) {
                (first, second, third) = withProduct(first, second, third, cursor, registers);
                (first, second, third) = withProduct(first, second, third, cursor + 4, registers);
                cursor += 8;
            }
            return (Extension.shortened(first, second, third), cursor);
        }
    }

    /// Add the product that stands at a place of the tape.
    function withProduct(uint256 first, uint256 second, uint256 third, uint256 cursor, uint256 registers)
        private
        pure
        returns (uint256, uint256, uint256)
    {
        uint256 a;
        uint256 b;
        assembly ("memory-safe") {
            let term := shr(224, mload(cursor))
            a := mload(add(registers, and(shr(9, term), 0x7ffe0)))
            b := mload(add(registers, and(shl(5, term), 0x7ffe0)))
            // A negative term takes the factor off p in every lane.
            if shr(28, term) { a := sub(0x7f00000100000fe00000200001fc00000400003f800000800007f000001, a) }
        }
        return Extension.withProduct(first, second, third, a, b);
    }

    /// The sum of the terms that multiply by weights, in narrow lanes, and the place behind them.
    function weighted(uint256 cursor, uint256 counts, uint256 registers)
        private
        pure
        returns (uint256 value, uint256 behind)
    {
        assembly ("memory-safe") {
            // 2^18 p in every lane: more than the weights of one sign can add up to.
            value := 0x1fc00000400003f800000800007f00000100000fe00000200001fc0000040000
            let limit := add(cursor, shl(2, shr(12, counts)))
            behind := add(limit, shl(2, and(counts, 0xfff)))
            for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                value := add(value, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
            }
            for {} lt(cursor, behind) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                value := sub(value, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
            }
        }
    }

    /// Make a narrow sum a long one, and add the terms that multiply by base elements; the third word is zero.
    function scaledTerms(uint256 value, uint256 cursor, uint256 limit, uint256 registers)
        private
        pure
        returns (uint256 first, uint256 second)
    {
        assembly ("memory-safe") {
            function spreadUpper(narrow) -> r {
                r := or(
                    and(shr(102, narrow), 0x7ffffffffffff),
                    or(
                        and(shr(68, narrow), shl(85, 0x7ffffffffffff)),
                        and(shr(34, narrow), shl(170, 0x7ffffffffffff))
                    )
                )
            }
            function spreadLower(narrow) -> r {
                r := or(
                    and(shl(85, narrow), shl(85, 0x7ffffffffffff)),
                    and(shl(119, narrow), shl(170, 0x7ffffffffffff))
                )
            }
            first := spreadUpper(value)
            second := spreadLower(value)
            for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                let a := mload(add(registers, shl(5, shr(14, term))))
                let f := shr(204, mload(add(registers, shl(5, and(term, 0x3fff)))))
                first := add(first, mul(f, spreadUpper(a)))
                second := add(second, mul(f, spreadLower(a)))
            }
        }
    }
}
