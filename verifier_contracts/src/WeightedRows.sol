// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Sums of weight times element over a row of base elements, eight elements to a word as they are sent.
///
/// Every other element of a word stands in a lane of 64 bits once the rest is masked away: four to a word.
/// Against four weights in the opposite order, the highest lane of the product is the sum of all four products, because
/// the lanes below it do not overflow: 4 (p - 1)^2 < 2^64. So a coordinate of a sum takes two multiplications for eight
/// elements.
///
/// The weights of eight elements are ten words: for each coordinate those of the even places, then those of the odd ones.
library WeightedRows {
    uint256 internal constant GROUP = 8;
    uint256 internal constant GROUP_BYTES = 320;

    /// Every other element of a word.
    uint256 private constant LANES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    /// 2^31 - p in every element: v is below p exactly if neither v nor v + (2^31 - p) has bit 31.
    uint256 private constant GAP = 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff;
    uint256 private constant TOP_BITS = 0x8000000080000000800000008000000080000000800000008000000080000000;

    /// Words that the weights of so many elements take.
    function size(uint256 elements) internal pure returns (uint256) {
        unchecked {
            return (elements + GROUP - 1) / GROUP * (GROUP_BYTES / 32);
        }
    }

    /// Write a weight, narrow, for an element that had none.
    function set(uint256 weights, uint256 element, uint256 weight) internal pure {
        assembly ("memory-safe") {
            weights := add(add(weights, mul(320, shr(3, element))), shl(5, and(element, 1)))
            // Places 0 and 1 of a word are its highest elements, and meet the lowest lane.
            let shift := shl(5, and(element, 6))
            mstore(weights, or(mload(weights), shl(shift, shr(204, weight))))
            weights := add(weights, 64)
            mstore(weights, or(mload(weights), shl(shift, and(shr(153, weight), 0x7ffffffffffff))))
            weights := add(weights, 64)
            mstore(weights, or(mload(weights), shl(shift, and(shr(102, weight), 0x7ffffffffffff))))
            weights := add(weights, 64)
            mstore(weights, or(mload(weights), shl(shift, and(shr(51, weight), 0x7ffffffffffff))))
            weights := add(weights, 64)
            mstore(weights, or(mload(weights), shl(shift, and(weight, 0x7ffffffffffff))))
        }
    }

    /// The wide sum of weight times element over the elements in memory from a place on; all of whole words must be
    /// canonical, those behind the last weight included, or zero.
    /// @dev With more than 2^18 elements lanes overflow.
    function sum(uint256 cursor, uint256 weights, uint256 words) internal pure returns (uint256 low, uint256 high) {
        assembly ("memory-safe") {
            let a0 := 0
            let a1 := 0
            let a2 := 0
            let a3 := 0
            let a4 := 0
            for { let end := add(weights, shl(5, words)) } lt(weights, end) { weights := add(weights, 320) } {
                let odd := mload(cursor)
                let even := and(shr(32, odd), LANES)
                odd := and(odd, LANES)
                a0 := add(add(a0, shr(192, mul(even, mload(weights)))), shr(192, mul(odd, mload(add(weights, 32)))))
                a1 := add(
                    add(a1, shr(192, mul(even, mload(add(weights, 64))))), shr(192, mul(odd, mload(add(weights, 96))))
                )
                a2 := add(
                    add(a2, shr(192, mul(even, mload(add(weights, 128))))), shr(192, mul(odd, mload(add(weights, 160))))
                )
                a3 := add(
                    add(a3, shr(192, mul(even, mload(add(weights, 192))))), shr(192, mul(odd, mload(add(weights, 224))))
                )
                a4 := add(
                    add(a4, shr(192, mul(even, mload(add(weights, 256))))), shr(192, mul(odd, mload(add(weights, 288))))
                )
                cursor := add(cursor, 32)
            }
            low := or(a4, or(shl(85, a3), shl(170, a2)))
            high := or(a1, shl(85, a0))
        }
    }

    /// Whether all elements of so many words of memory are below the prime.
    /// Soundness: an element and the same plus the prime are one element with two hashes.
    function isCanonical(uint256 cursor, uint256 words) internal pure returns (bool holds) {
        assembly ("memory-safe") {
            let found := 0
            let end := add(cursor, shl(5, words))
            if and(words, 1) {
                found := mload(cursor)
                found := or(found, add(found, GAP))
                cursor := add(cursor, 32)
            }
            for {} lt(cursor, end) { cursor := add(cursor, 64) } {
                let w := mload(cursor)
                let next := mload(add(cursor, 32))
                found := or(found, or(or(w, add(w, GAP)), or(next, add(next, GAP))))
            }
            holds := iszero(and(found, TOP_BITS))
        }
    }
}
