// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";

/// The Merkle tree of a batch's claims.
///
/// A leaf is the Keccak of five words (domain, batch, index, owner, amount), a node of two (left, right): their lengths
/// keep them apart. A node without a right neighbour is paired with zero. No claims: the root is zero.
library ClaimTree {
    bytes32 internal constant LEAF_DOMAIN = keccak256("options clearing rollup: claim");

    /// Hash one leaf.
    /// Soundness: batch and index make every leaf unique, so one payment can serve only one claim.
    function leafOf(uint256 batch, uint256 index, address owner, uint256 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(LEAF_DOMAIN, batch, index, owner, amount));
    }

    /// Hash two nodes.
    function nodeOf(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            node := keccak256(0x00, 0x40)
        }
    }

    /// Build the root over the last `count` claims of a chunk.
    function rootOf(uint256 batch, bytes calldata chunk, uint256 count) internal pure returns (bytes32) {
        if (count == 0) return bytes32(0);
        bytes32[] memory nodes = new bytes32[](count);
        bytes memory leaf = abi.encode(LEAF_DOMAIN, batch, 0, 0, 0);
        uint256 offset = chunk.length - count * BatchLayout.CLAIM_BYTES;
        for (uint256 index = 0; index < count; ++index) {
            assembly ("memory-safe") {
                let claim := calldataload(add(chunk.offset, offset))
                mstore(add(leaf, 0x60), index)
                mstore(add(leaf, 0x80), shr(96, claim))
                mstore(add(leaf, 0xa0), and(shr(32, claim), 0xffffffffffffffff))
                mstore(add(add(nodes, 0x20), shl(5, index)), keccak256(add(leaf, 0x20), 0xa0))
            }
            offset += BatchLayout.CLAIM_BYTES;
        }
        while (count > 1) {
            uint256 parents = (count + 1) / 2;
            for (uint256 index = 0; index < parents; ++index) {
                bytes32 right = 2 * index + 1 < count ? nodes[2 * index + 1] : bytes32(0);
                nodes[index] = nodeOf(nodes[2 * index], right);
            }
            count = parents;
        }
        return nodes[0];
    }

    /// Walk a path to its root; false where the path has another length than the tree is high.
    function isMember(bytes32 root, bytes32 leaf, uint256 index, uint256 count, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        uint256 level = 0;
        bytes32 node = leaf;
        for (; count > 1; count = (count + 1) / 2) {
            if (level == path.length) return false;
            node = index & 1 == 0 ? nodeOf(node, path[level]) : nodeOf(path[level], node);
            index >>= 1;
            ++level;
        }
        return level == path.length && node == root;
    }
}
