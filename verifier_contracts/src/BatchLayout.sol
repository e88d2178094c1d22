// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";

/// Where things stand in a batch's data; a test compares every number with rollup/codec.py.
///
///     0  version (2) | 2 length (4) | 6 number (4) | 10 time (6) | 16 queue start (4) | 20 items (2)
///     22 records (2) | 24 claims (2) | 26 queue items: tag (2), time (6), body | records | claims: owner (20), amount (8)
library BatchLayout {
    uint256 internal constant HEADER_BYTES = 26;
    uint256 internal constant ITEM_PREFIX_BYTES = 8;
    uint256 internal constant CLAIM_BYTES = 28;

    /// Piece of the running data hash. Small, so that the last chunk can begin shortly before the claims.
    uint256 internal constant PIECE_BYTES = 4096;

    /// With its envelope a chunk stays below the 128 KiB that nodes relay.
    uint256 internal constant MAX_CHUNK_BYTES = 112 * 1024;

    /// More than 65,535 entries of every section can fill, and far below what a sponge's length element holds.
    uint256 internal constant MAX_DATA_BYTES = 1 << 24;

    uint16 internal constant DEPOSIT = 0;
    uint16 internal constant REGISTER_KEY = 1;
    uint16 internal constant FORCED_CANCEL_ORDERS = 2;
    uint16 internal constant FORCED_WITHDRAWAL = 3;
    uint16 internal constant LIST_GROUP = 4;
    uint16 internal constant LIST_SERIES = 5;
    uint16 internal constant SET_PARAMETERS = 6;
    uint16 internal constant SETTLEMENT_PRICE = 7;

    /// Body lengths of tags 0 to 7: 52, 86, 28, 24, 22, 8, 8, 10, one byte each.
    uint256 private constant BODY_BYTES = 0x34561c181608080a;

    /// Length of a queue item's body; every type has one.
    /// Soundness: were a length free, two different queues could be spelled by the same bytes.
    function bodyBytes(uint256 tag) internal pure returns (uint256) {
        require(tag <= SETTLEMENT_PRICE, Errors.NotAQueueItem(tag));
        return (BODY_BYTES >> (8 * (7 - tag))) & 0xff;
    }

    /// Read `width` bytes (at most 32) as a number, high byte first.
    /// @dev Warning: reads whatever follows in the calldata; the caller has checked that the bytes lie in the chunk.
    function number(bytes calldata chunk, uint256 offset, uint256 width) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, width)), calldataload(add(chunk.offset, offset)))
        }
    }
}
