// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Memory} from "./Memory.sol";
import {Reason, demand} from "./StarkRefusal.sol";

/// The columns of one tree at one height: what is hashed into one node.
struct Segment {
    /// log2 of the nodes of the layer that it is mixed into.
    uint256 level;
    /// Why a tree is refused whose tallest segment this is.
    Reason reason;
    uint256 columns;
    /// The weights of a batch, zero in a fold: two wide words for each column of as many whole groups of eight as the
    /// columns take, or four where columns are opened at the next row too (zero for those that are not).
    uint256 weights;
    bool hasNext;
    /// For a batch four words for each row (the sums at the point and at the next), for a fold where the row stands.
    uint256 target;
    /// Rows met so far.
    uint256 met;
}

/// The leaves of a tree that are opened, from left to right.
struct Ways {
    uint256 count;
    /// Positions with their bits in opposite order, each once: siblings are neighbours.
    uint256 keys;
    /// For each leaf the layer in which its way up and that of the next one are siblings; for the last one 0.
    uint256 meetings;
}

/// Part of the calldata that is read from front to back.
struct Reading {
    uint256 cursor;
    uint256 end;
}

/// Checks the opened part of one tree, leaf after leaf from left to right, as `prover/export/calldata.py` lays it out.
///
/// Leaf n and leaf n + half of all are siblings: by their bits in opposite order, siblings are neighbours.
/// A node is the first 26 bytes of a word; what follows them is never hashed or compared.
library KeccakTree {
    uint256 private constant NODE_BYTES = 26;
    /// Kind 13, suite 3, 52 bytes follow.
    uint256 private constant NODE_PREFIX = 0x0d00000300000034000000000000000000000000000000000000000000000000;
    /// Kind 1, suite 3.
    uint256 private constant ROW_PREFIX = 0x0100000300000000000000000000000000000000000000000000000000000000;

    /// Demand that the rows at some leaves lead to the root; segments are tallest first.
    /// Soundness: how far up each leaf's own nodes reach follows from the positions alone.
    /// So the calldata has one reading, and every leaf's way ends at the root.
    function check(
        Reading memory reading,
        Segment[] memory segments,
        Ways memory ways,
        uint256 root
    ) internal pure {
        unchecked {
            Segment memory leaves = segments[0];
            uint256 logSize = leaves.level;
            // Nodes that wait for their right sibling, each behind its layer; below them all a zero.
            uint256 top = Memory.allocate(2 * (logSize + 1));
            uint256 node;
            uint256 keys = ways.keys;
            uint256 toMeetings = ways.meetings - keys;
            for (uint256 end = keys + 32 * ways.count; keys < end; keys += 32) {
                uint256 key = Memory.get(keys, 0);
                uint256 meeting = Memory.get(keys + toMeetings, 0);
                uint256 level = logSize;
                node = row(reading, leaves);
                while (true) {
                    uint256 goal = Memory.get(top, 0);
                    bool stays = meeting > goal;
                    if (stays) goal = meeting;
                    if (level > goal) node = climb(reading, segments, node, key >> (logSize - level), level, goal);
                    level = goal;
                    if (stays) {
                        top += 64;
                        Memory.set(top, 0, level);
                        Memory.set(top, 1, node);
                        break;
                    }
                    if (level == 0) break;
                    // The node that waits is the left one: its leaves have smaller keys.
                    node = parent(Memory.get(top, 1), node, level - 1);
                    top -= 64;
                    level -= 1;
                    if (segments.length != 1) node = mixed(reading, segments, node, level);
                }
            }
            demand((node ^ root) >> 48 == 0, leaves.reason);
        }
    }

    /// Go up from one layer to another; the key's lowest bit says on which side the node is.
    function climb(
        Reading memory reading,
        Segment[] memory segments,
        uint256 node,
        uint256 key,
        uint256 level,
        uint256 goal
    ) private pure returns (uint256) {
        unchecked {
            // A tree of one height is climbed without a pause.
            if (segments.length == 1) return climbed(node, key, level, goal, siblings(reading, level - goal));
            while (level > goal) {
                uint256 pause = goal;
                for (uint256 k = 1; k < segments.length; ++k) {
                    uint256 own = segments[k].level;
                    if (own < level && own > pause) pause = own;
                }
                node = climbed(node, key, level, pause, siblings(reading, level - pause));
                key >>= level - pause;
                level = pause;
                node = mixed(reading, segments, node, level);
            }
            return node;
        }
    }

    /// Take so many nodes off the front of what is left to read.
    function siblings(Reading memory reading, uint256 count) private pure returns (uint256 cursor) {
        unchecked {
            cursor = reading.cursor;
            uint256 next = cursor + NODE_BYTES * count;
            demand(next <= reading.end, Reason.Truncated);
            reading.cursor = next;
        }
    }

    /// Hash a node with its siblings in the calldata up to another layer.
    function climbed(uint256 node, uint256 key, uint256 level, uint256 goal, uint256 cursor)
        private
        pure
        returns (uint256)
    {
        assembly ("memory-safe") {
            mstore(0, NODE_PREFIX)
            for {} gt(level, goal) {} {
                level := sub(level, 1)
                mstore8(1, level)
                // Sixty bytes: prefix, left, right. The node goes first, in a way that spoils only the sibling's place.
                switch and(key, 1)
                case 0 {
                    mstore(8, node)
                    calldatacopy(34, cursor, 26)
                }
                default {
                    mstore(28, shr(48, node))
                    calldatacopy(8, cursor, 26)
                }
                node := keccak256(0, 60)
                cursor := add(cursor, 26)
                key := shr(1, key)
            }
        }
        return node;
    }

    /// The node over two nodes, in the layer of 2^level nodes.
    function parent(uint256 left, uint256 right, uint256 level) private pure returns (uint256 node) {
        assembly ("memory-safe") {
            mstore(0, NODE_PREFIX)
            mstore8(1, level)
            mstore(8, left)
            mstore(28, or(shl(208, shr(48, left)), shr(48, right)))
            node := keccak256(0, 60)
        }
    }

    /// Mix in the rows of a shorter matrix, if its height is that of the layer.
    function mixed(Reading memory reading, Segment[] memory segments, uint256 node, uint256 level)
        private
        pure
        returns (uint256)
    {
        unchecked {
            for (uint256 k = 1; k < segments.length; ++k) {
                if (segments[k].level == level) return parent(node, row(reading, segments[k]), level);
            }
            return node;
        }
    }

    /// Read, check and hash the next row of a segment, and add it to the sums of its batch.
    function row(Reading memory reading, Segment memory segment) private pure returns (uint256 node) {
        unchecked {
            uint256 cursor = reading.cursor;
            uint256 columns = segment.columns;
            uint256 end = cursor + 4 * columns;
            demand(end <= reading.end, Reason.Truncated);
            reading.cursor = end;
            uint256 target = segment.target;
            if (segment.weights == 0) {
                demand(isCanonical(cursor, columns), Reason.NonCanonicalElement);
                Memory.set(target, segment.met, cursor);
            } else {
                target += 128 * segment.met;
                demand(
                    segment.hasNext
                        ? addRowTwice(cursor, columns, segment.weights, target)
                        : addRow(cursor, columns, segment.weights, target),
                    Reason.NonCanonicalElement
                );
            }
            segment.met += 1;
            assembly ("memory-safe") {
                let free := mload(0x40)
                mstore(free, or(ROW_PREFIX, shl(192, columns)))
                calldatacopy(add(free, 8), cursor, shl(2, columns))
                node := keccak256(free, add(8, shl(2, columns)))
            }
        }
    }

    /// Whether so many elements are all below the prime.
    /// Soundness: an element and the same plus the prime are one element with two hashes.
    function isCanonical(uint256 cursor, uint256 count) internal pure returns (bool holds) {
        assembly ("memory-safe") {
            // v is below p exactly if neither v nor v + (2^31 - p) has bit 31.
            let gap := 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff
            let found := 0
            for {} gt(count, 7) { count := sub(count, 8) } {
                let w := calldataload(cursor)
                found := or(found, or(w, add(w, gap)))
                cursor := add(cursor, 32)
            }
            let w := and(calldataload(cursor), not(shr(shl(5, count), not(0))))
            found := or(found, or(w, add(w, gap)))
            holds := iszero(and(found, 0x8000000080000000800000008000000080000000800000008000000080000000))
        }
    }

    /// Add weight times element for every element of a row; false if one of them is not canonical.
    function addRow(uint256 cursor, uint256 columns, uint256 weights, uint256 target) private pure returns (bool holds) {
        assembly ("memory-safe") {
            let gap := 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff
            let found := 0
            let low := mload(target)
            let high := mload(add(target, 32))
            for {} columns {} {
                let w := calldataload(cursor)
                switch lt(columns, 8)
                case 0 { columns := sub(columns, 8) }
                default {
                    // Nothing behind the row counts: its weights are multiplied by zero.
                    w := and(w, not(shr(shl(5, columns), not(0))))
                    columns := 0
                }
                found := or(found, or(w, add(w, gap)))
                cursor := add(cursor, 32)
                let v := shr(224, w)
                low := add(low, mul(v, mload(weights)))
                high := add(high, mul(v, mload(add(weights, 0x20))))
                v := and(shr(192, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x40))))
                high := add(high, mul(v, mload(add(weights, 0x60))))
                v := and(shr(160, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x80))))
                high := add(high, mul(v, mload(add(weights, 0xa0))))
                v := and(shr(128, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0xc0))))
                high := add(high, mul(v, mload(add(weights, 0xe0))))
                v := and(shr(96, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x100))))
                high := add(high, mul(v, mload(add(weights, 0x120))))
                v := and(shr(64, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x140))))
                high := add(high, mul(v, mload(add(weights, 0x160))))
                v := and(shr(32, w), 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x180))))
                high := add(high, mul(v, mload(add(weights, 0x1a0))))
                v := and(w, 0xffffffff)
                low := add(low, mul(v, mload(add(weights, 0x1c0))))
                high := add(high, mul(v, mload(add(weights, 0x1e0))))
                weights := add(weights, 0x200)
            }
            mstore(target, low)
            mstore(add(target, 32), high)
            holds := iszero(and(found, 0x8000000080000000800000008000000080000000800000008000000080000000))
        }
    }

    /// The same with two weights for every element, and two sums.
    function addRowTwice(uint256 cursor, uint256 columns, uint256 weights, uint256 target)
        private
        pure
        returns (bool holds)
    {
        assembly ("memory-safe") {
            let gap := 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff
            let found := 0
            let low := mload(target)
            let high := mload(add(target, 32))
            let nextLow := mload(add(target, 64))
            let nextHigh := mload(add(target, 96))
            for {} columns {} {
                let w := calldataload(cursor)
                switch lt(columns, 8)
                case 0 { columns := sub(columns, 8) }
                default {
                    w := and(w, not(shr(shl(5, columns), not(0))))
                    columns := 0
                }
                found := or(found, or(w, add(w, gap)))
                cursor := add(cursor, 32)
                for { let end := add(weights, 0x400) } lt(weights, end) { weights := add(weights, 0x100) } {
                    let v := shr(224, w)
                    low := add(low, mul(v, mload(weights)))
                    high := add(high, mul(v, mload(add(weights, 0x20))))
                    nextLow := add(nextLow, mul(v, mload(add(weights, 0x40))))
                    nextHigh := add(nextHigh, mul(v, mload(add(weights, 0x60))))
                    v := and(shr(192, w), 0xffffffff)
                    low := add(low, mul(v, mload(add(weights, 0x80))))
                    high := add(high, mul(v, mload(add(weights, 0xa0))))
                    nextLow := add(nextLow, mul(v, mload(add(weights, 0xc0))))
                    nextHigh := add(nextHigh, mul(v, mload(add(weights, 0xe0))))
                    w := shl(64, w)
                }
            }
            mstore(target, low)
            mstore(add(target, 32), high)
            mstore(add(target, 64), nextLow)
            mstore(add(target, 96), nextHigh)
            holds := iszero(and(found, 0x8000000080000000800000008000000080000000800000008000000080000000))
        }
    }

    /// The same ways up from a layer above the leaves: those that have met are one.
    function above(Ways memory ways, uint256 levels) internal pure returns (Ways memory upper) {
        unchecked {
            uint256 keys = Memory.allocate(ways.count);
            uint256 meetings = Memory.allocate(ways.count);
            uint256 count;
            for (uint256 leaf = 0; leaf < ways.count; ++leaf) {
                uint256 key = Memory.get(ways.keys, leaf) >> levels;
                if (count != 0 && Memory.get(keys, count - 1) == key) --count;
                Memory.set(keys, count, key);
                Memory.set(meetings, count, Memory.get(ways.meetings, leaf));
                ++count;
            }
            upper.count = count;
            upper.keys = keys;
            upper.meetings = meetings;
        }
    }

    /// Fill in the layers in which ways meet.
    function meet(Ways memory ways, uint256 logSize) internal pure {
        unchecked {
            for (uint256 leaf = 1; leaf < ways.count; ++leaf) {
                uint256 differing = Memory.get(ways.keys, leaf - 1) ^ Memory.get(ways.keys, leaf);
                uint256 meeting = logSize;
                while (differing > 1) {
                    differing >>= 1;
                    --meeting;
                }
                Memory.set(ways.meetings, leaf - 1, meeting);
            }
        }
    }
}
