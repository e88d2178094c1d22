// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Runs the tapes of `prover/export/tape.py`: every instruction computes one register from a sum of terms.
library ConstraintTape {
    /// Run the forms between two places of memory over registers, which hold reduced narrow values.
    /// @dev The description that holds the tape is trusted: it decides which registers are written.
    function run(uint256 cursor, uint256 end, uint256 registers) internal pure {
        assembly ("memory-safe") {
            // 2^18 p in every lane: more than the weights of one sign can add up to.
            let lift := mul(shl(18, 0x7f000001), or(or(1, shl(51, 1)), or(shl(102, 1), or(shl(153, 1), shl(204, 1)))))
            // Narrow lanes have 51 bits: this one would reach past the top of the word only with its 52nd.
            for {} lt(cursor, end) {} {
                let header := mload(cursor)
                let target := add(registers, shl(5, shr(240, header)))
                cursor := add(cursor, 8)
                let lanes := lift
                {
                    let limit := add(cursor, shl(2, and(shr(228, header), 0xfff)))
                    for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                        let term := shr(224, mload(cursor))
                        lanes := add(lanes, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
                    }
                    limit := add(cursor, shl(2, and(shr(216, header), 0xfff)))
                    for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                        let term := shr(224, mload(cursor))
                        lanes := sub(lanes, mul(shr(14, term), mload(add(registers, shl(5, and(term, 0x3fff))))))
                    }
                }
                let c0 := shr(204, lanes)
                let c1 := and(shr(153, lanes), 0x7ffffffffffff)
                let c2 := and(shr(102, lanes), 0x7ffffffffffff)
                let c3 := and(shr(51, lanes), 0x7ffffffffffff)
                let c4 := and(lanes, 0x7ffffffffffff)
                {
                    let limit := add(cursor, shl(2, and(shr(204, header), 0xfff)))
                    for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                        let term := shr(224, mload(cursor))
                        let a := mload(add(registers, shl(5, shr(14, term))))
                        let f := shr(204, mload(add(registers, shl(5, and(term, 0x3fff)))))
                        c0 := add(c0, mul(f, shr(204, a)))
                        c1 := add(c1, mul(f, and(shr(153, a), 0x7ffffffffffff)))
                        c2 := add(c2, mul(f, and(shr(102, a), 0x7ffffffffffff)))
                        c3 := add(c3, mul(f, and(shr(51, a), 0x7ffffffffffff)))
                        c4 := add(c4, mul(f, and(a, 0x7ffffffffffff)))
                    }
                    limit := add(cursor, shl(2, and(shr(192, header), 0xfff)))
                    for {} lt(cursor, limit) { cursor := add(cursor, 4) } {
                        let term := shr(224, mload(cursor))
                        let a := mload(add(registers, shl(5, and(shr(14, term), 0x3fff))))
                        // A negative term takes the factor off p in every lane.
                        if shr(28, term) {
                            a := sub(mul(0x7f000001, or(or(1, shl(51, 1)), or(shl(102, 1), or(shl(153, 1), shl(204, 1))))), a)
                        }
                        let b := mload(add(registers, shl(5, and(term, 0x3fff))))
                        let b0 := shr(204, b)
                        let b1 := and(shr(153, b), 0x7ffffffffffff)
                        let b2 := and(shr(102, b), 0x7ffffffffffff)
                        let b3 := and(shr(51, b), 0x7ffffffffffff)
                        b := and(b, 0x7ffffffffffff)
                        let f := shr(204, a)
                        c0 := add(c0, mul(f, b0))
                        c1 := add(c1, mul(f, b1))
                        c2 := add(c2, mul(f, b2))
                        c3 := add(c3, mul(f, b3))
                        c4 := add(c4, mul(f, b))
                        let b14 := add(b1, sub(0x7f000001, b))
                        f := and(shr(153, a), 0x7ffffffffffff)
                        c0 := add(c0, mul(f, b))
                        c1 := add(c1, mul(f, b0))
                        c2 := add(c2, mul(f, b14))
                        c3 := add(c3, mul(f, b2))
                        c4 := add(c4, mul(f, b3))
                        b0 := add(b0, sub(0x7f000001, b3))
                        f := and(shr(102, a), 0x7ffffffffffff)
                        c0 := add(c0, mul(f, b3))
                        c1 := add(c1, mul(f, b))
                        c2 := add(c2, mul(f, b0))
                        c3 := add(c3, mul(f, b14))
                        c4 := add(c4, mul(f, b2))
                        b := add(b, sub(0x7f000001, b2))
                        f := and(shr(51, a), 0x7ffffffffffff)
                        c0 := add(c0, mul(f, b2))
                        c1 := add(c1, mul(f, b3))
                        c2 := add(c2, mul(f, b))
                        c3 := add(c3, mul(f, b0))
                        c4 := add(c4, mul(f, b14))
                        f := and(a, 0x7ffffffffffff)
                        c0 := add(c0, mul(f, b14))
                        c1 := add(c1, mul(f, b2))
                        c2 := add(c2, mul(f, sub(add(b3, 0xfe000002), b14)))
                        c3 := add(c3, mul(f, b))
                        c4 := add(c4, mul(f, b0))
                    }
                }
                mstore(
                    target,
                    or(
                        or(mod(c4, 0x7f000001), shl(51, mod(c3, 0x7f000001))),
                        or(
                            shl(102, mod(c2, 0x7f000001)),
                            or(shl(153, mod(c1, 0x7f000001)), shl(204, mod(c0, 0x7f000001)))
                        )
                    )
                )
            }
        }
    }
}
