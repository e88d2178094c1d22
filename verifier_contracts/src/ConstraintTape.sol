// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Runs the tapes of `prover/export/tape.py`: every instruction computes one register from a sum of terms.
library ConstraintTape {
    /// Run the forms between two places of memory over registers, which hold reduced narrow values.
    /// @dev The description that holds the tape is trusted: it decides which registers are written.
    function run(uint256 cursor, uint256 end, uint256 registers) internal pure {
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
            // Multiply the wide value in scratch memory by X.
            function nextRow() {
                let carry := and(mload(0), 0x1fffffffffffffffffffff)
                // Twice the prime: the coordinate that is taken off may itself be a sum of two.
                mstore(
                    0,
                    or(
                        shr(85, mload(0)),
                        shl(170, sub(add(and(mload(32), 0x1fffffffffffffffffffff), 0xfe000002), carry))
                    )
                )
                mstore(32, or(shr(85, mload(32)), shl(85, carry)))
            }
            // 2^18 p in every lane: more than the weights of one sign can add up to.
            let lift := mul(shl(18, 0x7f000001), or(or(1, shl(51, 1)), or(shl(102, 1), or(shl(153, 1), shl(204, 1)))))
            for {} lt(cursor, end) {} {
                let header := mload(cursor)
                cursor := add(cursor, 8)
                let low := lift
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
                let high := widenHigh(low)
                low := widenLow(low)
                limit := add(cursor, shl(2, and(shr(204, header), 0xfff)))
                for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                    let term := shr(224, mload(cursor))
                    let a := mload(add(registers, shl(5, shr(14, term))))
                    let f := shr(204, mload(add(registers, shl(5, and(term, 0x3fff)))))
                    low := add(low, mul(f, widenLow(a)))
                    high := add(high, mul(f, widenHigh(a)))
                }
                limit := add(cursor, shl(2, and(shr(192, header), 0xfff)))
                for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                    let term := shr(224, mload(cursor))
                    let a := mload(add(registers, shl(5, and(shr(14, term), 0x3fff))))
                    // A negative term takes the factor off p in every lane.
                    if shr(28, term) {
                        a := sub(0x7f00000100000fe00000200001fc00000400003f800000800007f000001, a)
                    }
                    term := mload(add(registers, shl(5, and(term, 0x3fff))))
                    // As in Extension.product; the wide rows stand in scratch memory, where the compiler leaves them.
                    mstore(0, widenLow(term))
                    mstore(32, widenHigh(term))
                    term := shr(204, a)
                    low := add(low, mul(term, mload(0)))
                    high := add(high, mul(term, mload(32)))
                    nextRow()
                    term := and(shr(153, a), 0x7ffffffffffff)
                    low := add(low, mul(term, mload(0)))
                    high := add(high, mul(term, mload(32)))
                    nextRow()
                    term := and(shr(102, a), 0x7ffffffffffff)
                    low := add(low, mul(term, mload(0)))
                    high := add(high, mul(term, mload(32)))
                    nextRow()
                    term := and(shr(51, a), 0x7ffffffffffff)
                    low := add(low, mul(term, mload(0)))
                    high := add(high, mul(term, mload(32)))
                    nextRow()
                    term := and(a, 0x7ffffffffffff)
                    low := add(low, mul(term, mload(0)))
                    high := add(high, mul(term, mload(32)))
                }
                let lane := 0x1fffffffffffffffffffff
                let r := mod(and(low, lane), 0x7f000001)
                r := or(r, shl(51, mod(and(shr(85, low), lane), 0x7f000001)))
                r := or(r, shl(102, mod(shr(170, low), 0x7f000001)))
                r := or(r, shl(153, mod(and(high, lane), 0x7f000001)))
                r := or(r, shl(204, mod(shr(85, high), 0x7f000001)))
                mstore(add(registers, shl(5, shr(240, header))), r)
            }
        }
    }
}
