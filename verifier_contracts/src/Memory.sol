// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Rows of words in memory, by the place where they begin: what arrays are, less the checks that the shape makes.
library Memory {
    /// Take so many words, cleared.
    function allocate(uint256 words) internal pure returns (uint256 cursor) {
        assembly ("memory-safe") {
            cursor := mload(0x40)
            mstore(0x40, add(cursor, shl(5, words)))
            // Nothing stands behind the calldata, so this copies zeros.
            calldatacopy(cursor, calldatasize(), shl(5, words))
        }
    }

    function get(uint256 cursor, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(cursor, shl(5, place)))
        }
    }

    function set(uint256 cursor, uint256 place, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(cursor, shl(5, place)), value)
        }
    }
}
