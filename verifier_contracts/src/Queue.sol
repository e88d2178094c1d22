// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";

/// The L1 queue: what owners, the governor and the oracles say, in the order in which batches must serve it.
///
/// The running hash after an item is the Keccak of
///     domain (32) | hash before the item (32) | position (32) | tag (2) | time (6) | body (fixed by the tag)
/// where the last three are the bytes with which a batch's data spells the item.
abstract contract Queue {
    bytes32 internal constant ITEM_DOMAIN = keccak256("options clearing rollup: queue item");

    struct QueueItem {
        /// Running hash after this item.
        bytes32 hash;
        uint48 time;
    }

    /// Items by position, from zero.
    /// @dev Warning: nothing is ever removed; what has been served is below `Batches.provedQueue`.
    mapping(uint256 position => QueueItem) public queueItem;

    uint32 public queueLength;

    /// When the clearing house was frozen; zero while it runs.
    uint48 public frozenAt;

    bool private transient entered;

    event QueueItemAdded(uint32 indexed position, uint16 indexed tag, uint48 time, bytes body, bytes32 hash);

    /// One entry at a time: a token that calls back finds every door shut.
    modifier nonReentrant() {
        require(!entered, Errors.Reentered());
        entered = true;
        _;
        entered = false;
    }

    modifier whileRunning() {
        require(frozenAt == 0, Errors.IsFrozen());
        _;
    }

    /// The running hash before an item.
    function queueHash(uint256 position) public view returns (bytes32) {
        return position == 0 ? bytes32(0) : queueItem[position - 1].hash;
    }

    function _enqueue(uint16 tag, bytes memory body) internal {
        uint32 position = queueLength;
        require(position < type(uint32).max, Errors.QueueExhausted());
        uint48 time = uint48(block.timestamp);
        bytes32 hash = keccak256(
            abi.encodePacked(ITEM_DOMAIN, queueHash(position), uint256(position), tag, time, body)
        );
        queueItem[position] = QueueItem(hash, time);
        queueLength = position + 1;
        emit QueueItemAdded(position, tag, time, body, hash);
    }
}
