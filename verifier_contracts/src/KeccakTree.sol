// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Memory} from "./Memory.sol";
import {Reason, demand} from "./StarkRefusal.sol";
import {WeightedRows} from "./WeightedRows.sol";

/// The columns of one tree at one height: what is hashed into one node.
struct Segment {
    /// log2 of the nodes of the layer that it is mixed into.
    uint256 level;
    /// Why a tree is refused whose tallest segment this is.
    Reason reason;
    uint256 columns;
    /// The weights of a batch at the point, zero in a fold, and at the next row's point, zero if none is opened there.
    uint256 weights;
    uint256 nextWeights;
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
            uint256 bottom = top + 32;
            uint256 keys = ways.keys;
            uint256 toMeetings = ways.meetings - keys;
            bool isPlain = segments.length == 1;
            for (uint256 end = keys + 32 * ways.count; keys < end; keys += 32) {
                uint256 node = row(reading, leaves);
                uint256 key = Memory.get(keys, 0);
                uint256 meeting = Memory.get(keys + toMeetings, 0);
                // A tree of one height is climbed without a pause.
                if (isPlain) {
                    (top, reading.cursor) = ascended(node, key, logSize, meeting, top, reading.cursor);
                } else {
                    top = ascendedAndMixed(reading, segments, node, key, meeting, top);
                }
                demand(reading.cursor <= reading.end, Reason.Truncated);
            }
            demand((Memory.get(bottom, 2) ^ root) >> 48 == 0, leaves.reason);
        }
    }

    /// Go up from a leaf until its way meets the next leaf's, and leave the node there to wait; the last one's waits at
    /// the root. Returns the last node that waits and the place behind the siblings that were read.
    function ascended(uint256 node, uint256 key, uint256 level, uint256 meeting, uint256 top, uint256 cursor)
        private
        pure
        returns (uint256, uint256)
    {
        assembly ("memory-safe") {
            let free := mload(64)
            mstore(0, NODE_PREFIX)
            for {} 1 {} {
                let goal := mload(top)
                if gt(meeting, goal) { goal := meeting }
                // Two layers at a time, after an odd one.
                if and(sub(level, goal), 1) {
                    level := sub(level, 1)
                    mstore8(1, level)
                    // Sixty bytes: prefix, left, right. The node goes first; it spoils only the sibling's place, and
                    // the two highest bytes of the free memory pointer, which comes back below.
                    let right := mul(26, and(key, 1))
                    mstore(add(8, right), node)
                    calldatacopy(sub(34, right), cursor, 26)
                    node := keccak256(0, 60)
                    cursor := add(cursor, 26)
                    key := shr(1, key)
                }
                for {} gt(level, goal) {} {
                    mstore8(1, sub(level, 1))
                    let right := mul(26, and(key, 1))
                    mstore(add(8, right), node)
                    calldatacopy(sub(34, right), cursor, 26)
                    mstore(8, keccak256(0, 60))
                    level := sub(level, 2)
                    mstore8(1, level)
                    switch and(key, 2)
                    case 0 { calldatacopy(34, add(cursor, 26), 26) }
                    default {
                        mstore(34, mload(8))
                        calldatacopy(8, add(cursor, 26), 26)
                    }
                    node := keccak256(0, 60)
                    cursor := add(cursor, 52)
                    key := shr(2, key)
                }
                if eq(level, meeting) {
                    top := add(top, 64)
                    mstore(top, level)
                    mstore(add(top, 32), node)
                    break
                }
                // The node that waits is the left one: its leaves have smaller keys.
                level := sub(level, 1)
                mstore8(1, level)
                mstore(8, mload(add(top, 32)))
                mstore(34, node)
                node := keccak256(0, 60)
                key := shr(1, key)
                top := sub(top, 64)
            }
            mstore(64, free)
        }
        return (top, cursor);
    }

    /// The same in a tree that rows of several heights are mixed into.
    function ascendedAndMixed(
        Reading memory reading,
        Segment[] memory segments,
        uint256 node,
        uint256 key,
        uint256 meeting,
        uint256 top
    ) private pure returns (uint256) {
        unchecked {
            uint256 level = segments[0].level;
            while (level != meeting) {
                level -= 1;
                if (level + 1 == Memory.get(top, 0)) {
                    node = parent(Memory.get(top, 1), node, level);
                    top -= 64;
                } else {
                    uint256 sibling;
                    uint256 cursor = reading.cursor;
                    assembly ("memory-safe") {
                        sibling := calldataload(cursor)
                    }
                    reading.cursor = cursor + NODE_BYTES;
                    node = key & 1 == 0 ? parent(node, sibling, level) : parent(sibling, node, level);
                }
                key >>= 1;
                for (uint256 k = 1; k < segments.length; ++k) {
                    if (segments[k].level == level) node = parent(node, row(reading, segments[k]), level);
                }
            }
            top += 64;
            Memory.set(top, 0, level);
            Memory.set(top, 1, node);
            return top;
        }
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

    /// Read, check and hash the next row of a segment, and add it to the sums of its batch.
    function row(Reading memory reading, Segment memory segment) private pure returns (uint256 node) {
        unchecked {
            uint256 cursor = reading.cursor;
            uint256 columns = segment.columns;
            uint256 end = cursor + 4 * columns;
            demand(end <= reading.end, Reason.Truncated);
            reading.cursor = end;
            uint256 target = segment.target + 128 * segment.met;
            uint256 elements;
            assembly ("memory-safe") {
                let free := mload(0x40)
                mstore(free, or(ROW_PREFIX, shl(192, columns)))
                elements := add(free, 8)
                let length := shl(2, columns)
                calldatacopy(elements, cursor, length)
                node := keccak256(free, add(8, length))
                // What fills the last word are zeros.
                mstore(add(elements, length), 0)
            }
            demand(WeightedRows.isCanonical(elements, (columns + 7) / 8), Reason.NonCanonicalElement);
            if (segment.weights == 0) {
                Memory.set(segment.target, segment.met, cursor);
            } else {
                addSum(elements, segment.weights, columns, target);
                if (segment.nextWeights != 0) addSum(elements, segment.nextWeights, columns, target + 64);
            }
            segment.met += 1;
        }
    }

    /// Add weight times element for every element of a row in memory.
    function addSum(uint256 elements, uint256 weights, uint256 columns, uint256 target) private pure {
        unchecked {
            (uint256 low, uint256 high) = WeightedRows.sum(elements, weights, WeightedRows.size(columns));
            Memory.set(target, 0, Memory.get(target, 0) + low);
            Memory.set(target, 1, Memory.get(target, 1) + high);
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
                // The place of the highest bit, by halves; keys have at most 32 bits.
                for (uint256 half = 16; half != 0; half >>= 1) {
                    if (differing >> half == 0) continue;
                    differing >>= half;
                    meeting -= half;
                }
                Memory.set(ways.meetings, leaf - 1, meeting);
            }
        }
    }
}
