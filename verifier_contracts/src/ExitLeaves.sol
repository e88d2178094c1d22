// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ExitErrors} from "./ExitErrors.sol";
import {PoseidonTree} from "./PoseidonTree.sol";

// Levels between a leaf of the state tree and its root.
uint256 constant TREE_DEPTH = 34;

/// Leaves of the state tree as `rollup/leaf_formats.py` spells them, version 1, and their places in the tree.
///
/// A number is limbs of 16 bits, an element each, lowest first; eight elements are a block, 32 bits each.
library ExitLeaves {
    /// Regions of the tree: bits 32 and 33 of a place.
    uint256 private constant ACCOUNTS = 1 << 32;
    uint256 private constant GROUPS = 2 << 32;

    uint256 private constant STATE_LEAF = 10;
    uint256 private constant ACCOUNT_POSITIONS = 11;

    /// Labels: the version of the formats, then the format.
    uint256 private constant LABEL_ACCOUNT = 0x101;
    uint256 private constant LABEL_GROUP = 0x103;
    uint256 private constant LABEL_IDENTITY = 0x105;
    uint256 private constant LABEL_POSITIONS = 0x106;

    uint256 private constant POSITION_ELEMENTS = 3;
    uint256 private constant POSITION_BITS = 66;
    uint256 private constant MASK_25 = (1 << 25) - 1;

    /// An account without its owner, who is whoever leaves.
    struct Account {
        uint32 account;
        /// The trading key as the identity's elements 8 to 26 hold it, at the places of blocks 1 to 3; the owner's
        /// limbs in front of it are left zero.
        uint256[3] key;
        uint32 nonce;
        uint32 orderFloor;
        uint64 cash;
        /// Sorted by series: group (16) | strike (24) | is put (1) | lots + 2^24 (25).
        uint256[] positions;
    }

    struct Group {
        uint16 group;
        uint16 underlying;
        uint48 expiry;
        uint32 cap;
        uint32 tickMicroDollars;
        uint32 lotMicroUnits;
        uint32 tickValue;
        bool isFixed;
        uint32 price;
        /// The pool plus 2^63.
        uint64 pool;
        uint16 seriesCount;
        uint256 seriesDigest;
    }

    /// The root of the tree in which this account's leaf stands.
    function rootOfAccount(
        PoseidonTree tree,
        Account calldata leaf,
        address owner,
        uint256[TREE_DEPTH] calldata path
    ) internal view returns (uint256) {
        uint256[] memory blocks = new uint256[](3);
        blocks[0] = _identity(tree, leaf, owner);
        blocks[1] = _positions(tree, leaf.positions);
        blocks[2] = _limbs(leaf.nonce) | (_limbs(leaf.orderFloor) << 64) | (_limbs(leaf.cash) << 128);
        uint256 digest = tree.sponge(STATE_LEAF, LABEL_ACCOUNT, 24, blocks);
        return tree.climb(digest, ACCOUNTS | leaf.account, _list(path));
    }

    /// The root of the tree in which this group's leaf stands.
    function rootOfGroup(PoseidonTree tree, Group calldata leaf, uint256[TREE_DEPTH] calldata path)
        internal
        view
        returns (uint256)
    {
        uint256[] memory blocks = new uint256[](4);
        uint256 pool = _limbs(leaf.pool);
        blocks[0] = leaf.underlying | (_limbs(leaf.expiry) << 32) | (_limbs(leaf.cap) << 128)
            | (_limbs(leaf.tickMicroDollars) << 192);
        blocks[1] = _limbs(leaf.lotMicroUnits) | (_limbs(leaf.tickValue) << 64)
            | (uint256(leaf.isFixed ? 1 : 0) << 128) | (_limbs(leaf.price) << 160) | (pool << 224);
        blocks[2] = (pool >> 32) | (uint256(leaf.seriesCount) << 96) | (leaf.seriesDigest << 128);
        blocks[3] = leaf.seriesDigest >> 128;
        uint256 digest = tree.sponge(STATE_LEAF, LABEL_GROUP, 28, blocks);
        return tree.climb(digest, GROUPS | leaf.group, _list(path));
    }

    /// Who an account is: number, owner, key.
    function _identity(PoseidonTree tree, Account calldata leaf, address owner) private view returns (uint256) {
        uint256[] memory blocks = new uint256[](4);
        uint256 number = uint160(owner);
        // Limbs 0 to 5 of the owner end the first block, limbs 6 to 9 begin the second.
        blocks[0] = _limbs(leaf.account) | (_limbs(number & 0xffffffffffffffff) << 64)
            | (_limbs((number >> 64) & 0xffffffff) << 192);
        // Soundness: a key that reached into the owner's lanes would name another owner.
        require(leaf.key[0] & type(uint128).max == 0, PoseidonTree.NotCanonical(leaf.key[0]));
        blocks[1] = _limbs(number >> 96) | leaf.key[0];
        blocks[2] = leaf.key[1];
        blocks[3] = leaf.key[2];
        return tree.sponge(STATE_LEAF, LABEL_IDENTITY, 27, blocks);
    }

    /// What an account holds: three elements a position.
    function _positions(PoseidonTree tree, uint256[] calldata positions) private view returns (uint256) {
        uint256 count = POSITION_ELEMENTS * positions.length;
        uint256[] memory blocks = new uint256[](count == 0 ? 1 : (count + 7) / 8);
        uint256 element = 0;
        for (uint256 place = 0; place < positions.length; ++place) {
            uint256 position = positions[place];
            // Soundness: what stood above the group would run into the elements of the next position.
            require(position >> POSITION_BITS == 0, ExitErrors.PositionMalformed(position));
            _append(blocks, element++, position >> 50);
            _append(blocks, element++, (position >> 25) & MASK_25);
            _append(blocks, element++, position & MASK_25);
        }
        return tree.sponge(ACCOUNT_POSITIONS, LABEL_POSITIONS, count, blocks);
    }

    function _append(uint256[] memory blocks, uint256 element, uint256 value) private pure {
        blocks[element >> 3] |= value << (32 * (element & 7));
    }

    /// Limbs of a number of up to 64 bits, an element each.
    function _limbs(uint256 number) private pure returns (uint256) {
        return (number & 0xffff) | ((number & 0xffff0000) << 16) | ((number & 0xffff00000000) << 32)
            | ((number & 0xffff000000000000) << 48);
    }

    function _list(uint256[TREE_DEPTH] calldata path) private pure returns (uint256[] memory siblings) {
        siblings = new uint256[](TREE_DEPTH);
        for (uint256 height = 0; height < TREE_DEPTH; ++height) siblings[height] = path[height];
    }
}
