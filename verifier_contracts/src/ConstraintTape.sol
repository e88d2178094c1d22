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
                (uint256 low, uint256 high) = weighted(cursor, header, registers);
                cursor += 4 * (((header >> 228) & 0xfff) + ((header >> 216) & 0xfff) + ((header >> 204) & 0xfff));
                for (uint256 limit = cursor + 4 * ((header >> 192) & 0xfff); cursor < limit; cursor += 4) {
                    uint256 a;
                    uint256 b;
                    assembly ("memory-safe") {
                        let term := shr(224, mload(cursor))
                        a := mload(add(registers, shl(5, and(shr(14, term), 0x3fff))))
                        b := mload(add(registers, shl(5, and(term, 0x3fff))))
                        // A negative term takes the factor off p in every lane.
                        if shr(28, term) { a := sub(0x7f00000100000fe00000200001fc00000400003f800000800007f000001, a) }
                    }
                    (uint256 more, uint256 moreHigh) = Extension.wideProduct(a, b);
                    low += more;
                    high += moreHigh;
                }
                low = Extension.narrow(low, high);
                assembly ("memory-safe") {
                    mstore(add(registers, shl(5, shr(240, header))), low)
                }
            }
        }
    }

    /// The wide sum of the terms that multiply by weights or by base elements.
    function weighted(uint256 cursor, uint256 header, uint256 registers)
        private
        pure
        returns (uint256 low, uint256 high)
    {
        assembly ("memory-safe") {
            function widenLow(value) -> r {
                r := or(
                    and(value, 0x7ffffffffffff),
                    or(shl(34, and(value, shl(51, 0x7ffffffffffff))), shl(68, and(value, shl(102, 0x7ffffffffffff))))
                )
            }
            function widenHigh(value) -> r {
                r := or(and(shr(153, value), 0x7ffffffffffff), shl(85, shr(204, value)))
            }
            // 2^18 p in every lane: more than the weights of one sign can add up to.
            low := 0x1fc00000400003f800000800007f00000100000fe00000200001fc0000040000
            let limit := add(cursor, shl(2, and(shr(228, header), 0xfff)))
            for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                low := add(low, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
            }
            limit := add(cursor, shl(2, and(shr(216, header), 0xfff)))
            for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                low := sub(low, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
            }
            // From here on the sums are wide.
            high := widenHigh(low)
            low := widenLow(low)
            limit := add(cursor, shl(2, and(shr(204, header), 0xfff)))
            for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                let term := shr(224, mload(cursor))
                let a := mload(add(registers, shl(5, shr(14, term))))
                let f := shr(204, mload(add(registers, shl(5, and(term, 0x3fff)))))
                low := add(low, mul(f, widenLow(a)))
                high := add(high, mul(f, widenHigh(a)))
            }
        }
    }
}
