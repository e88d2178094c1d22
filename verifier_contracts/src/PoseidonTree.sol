// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PoseidonPermutation} from "./PoseidonPermutation.sol";

/// Poseidon as the rules hash their state: the sponge of a list, and the way from a leaf up to the root.
///
/// Eight elements are one word, 32 bits each, the first one lowest; docs/hashing.md says what is hashed.
/// A contract of its own: the permutation fills most of the code that a contract may have.
contract PoseidonTree {
    /// Suite 1, part of every sponge's capacity.
    uint256 private constant SUITE = 1;

    /// One in every lane, and its multiples.
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant HIGH_BITS = ONES << 31;
    uint256 private constant PRIMES = ONES * 0x7f000001;

    /// 2^31 less the prime: an element plus this has bit 31 exactly if it is not below the prime.
    uint256 private constant GAPS = ONES * 0x00ffffff;

    error NotCanonical(uint256 word);
    error BlocksMismatch(uint256 blocks, uint256 count);

    /// Hash `count` elements, eight to a block; what is left of the last block must be zero.
    function sponge(uint256 kind, uint256 label, uint256 count, uint256[] calldata blocks)
        external
        view
        returns (uint256 digest)
    {
        PoseidonPermutation.reserve();
        // Soundness: a second spelling of the same list is one too many; the length stands in the capacity.
        uint256 used = count & 7;
        require(
            blocks.length == (count == 0 ? 1 : (count + 7) / 8)
                && (count != 0 && used == 0 || blocks[blocks.length - 1] >> (32 * used) == 0),
            BlocksMismatch(blocks.length, count)
        );
        uint256 capacity = kind | (count << 32) | (SUITE << 64) | (label << 96);
        for (uint256 place = 0; place < blocks.length; ++place) {
            _requireCanonical(blocks[place]);
            (digest, capacity) = PoseidonPermutation.permute(blocks[place], capacity);
        }
    }

    /// Hash a leaf's digest up to the root of a tree as deep as there are siblings, which come from the leaf upwards.
    /// @dev The caller fixes the number of siblings: with a free depth a node would pass for a leaf.
    function climb(uint256 digest, uint256 index, uint256[] calldata siblings)
        external
        view
        returns (uint256 root)
    {
        PoseidonPermutation.reserve();
        _requireCanonical(digest);
        uint256 level = siblings.length;
        for (uint256 height = 0; height < siblings.length; ++height) {
            uint256 sibling = siblings[height];
            _requireCanonical(sibling);
            (uint256 left, uint256 right) =
                (index >> height) & 1 == 0 ? (digest, sibling) : (sibling, digest);
            // The last element of the right child carries the level plus one.
            (uint256 permuted,) = PoseidonPermutation.permute(left, right + (level << 224));
            --level;
            // Soundness: without the input added back the permutation could be run backwards.
            digest = _sum(left, permuted);
        }
        return digest;
    }

    /// Add eight elements to eight elements.
    function _sum(uint256 left, uint256 right) private pure returns (uint256 total) {
        unchecked {
            // Every lane is below twice the prime, which is below 2^32.
            total = left + right;
            total -= (((total + GAPS) >> 31) & ONES) * 0x7f000001;
        }
    }

    /// Soundness: v and v + p hash alike, so one leaf could be told in two ways.
    function _requireCanonical(uint256 word) private pure {
        unchecked {
            require((word | (word + GAPS)) & HIGH_BITS == 0, NotCanonical(word));
        }
    }
}
