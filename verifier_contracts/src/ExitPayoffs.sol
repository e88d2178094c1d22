// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ExitErrors} from "./ExitErrors.sol";

/// What the positions of one group need as margin, and what they pay: the rules of `rollup/margin.py`.
///
/// Whole micro-dollars throughout: a tick on a lot is a whole number of them, so nothing is divided and nothing rounds.
/// Bounds: 32 positions of 24-bit lots at payoffs of 32 bits a lot stay below 2^61.
library ExitPayoffs {
    int256 private constant LOTS_OFFSET = 1 << 24;

    /// A group's terms in the last proved state.
    struct Terms {
        bool isProved;
        bool isFixed;
        uint24 cap;
        uint32 tickValue;
        uint24 price;
    }

    /// Where the positions of the group that begins at `start` end.
    function endOfGroup(uint256[] calldata positions, uint256 start) internal pure returns (uint256 end) {
        uint16 group = groupOf(positions[start]);
        end = start + 1;
        while (end < positions.length && groupOf(positions[end]) == group) ++end;
    }

    /// The cash that a group's positions hold back: what its worst price would take.
    function requirement(uint256[] calldata positions, Terms memory terms) internal pure returns (uint256) {
        int256 worst = terms.isFixed ? payoff(positions, terms, terms.price) : _worst(positions, terms);
        return worst < 0 ? uint256(-worst) : 0;
    }

    /// The payoff of a group's positions at a price, which counts as the cap where it is higher.
    /// Soundness: above the cap losses would be larger than any margin held for them.
    function payoff(uint256[] calldata positions, Terms memory terms, uint256 price)
        internal
        pure
        returns (int256 total)
    {
        int256 end = int256(price < terms.cap ? price : terms.cap);
        for (uint256 place = 0; place < positions.length; ++place) {
            int256 strike = _strikeOf(positions[place]);
            int256 ticks = _isPut(positions[place]) ? strike - end : end - strike;
            if (ticks > 0) total += _lotsOf(positions[place]) * ticks;
        }
        total *= int256(uint256(terms.tickValue));
    }

    function groupOf(uint256 position) internal pure returns (uint16) {
        return uint16(position >> 50);
    }

    /// Require an account's positions to be strictly sorted by series.
    /// @dev A proved list is; the walk below relies on it.
    function requireSorted(uint256[] calldata positions) internal pure {
        uint256 previous = 0;
        for (uint256 place = 0; place < positions.length; ++place) {
            uint256 series = positions[place] >> 25;
            require(place == 0 || series > previous, ExitErrors.PositionMalformed(positions[place]));
            previous = series;
        }
    }

    /// The payoff is straight between strikes, so its least value lies at zero, at a strike, or at the cap.
    function _worst(uint256[] calldata positions, Terms memory terms) private pure returns (int256 worst) {
        int256 slope = 0;
        int256 total = 0;
        int256 price = 0;
        for (uint256 place = 0; place < positions.length; ++place) {
            if (!_isPut(positions[place])) continue;
            total += _lotsOf(positions[place]) * _strikeOf(positions[place]);
            slope -= _lotsOf(positions[place]);
        }
        worst = total;
        for (uint256 place = 0; place < positions.length; ++place) {
            int256 strike = _strikeOf(positions[place]);
            total += slope * (strike - price);
            // A call begins to rise here, a put stops falling: the same change.
            slope += _lotsOf(positions[place]);
            price = strike;
            if (total < worst) worst = total;
        }
        total += slope * (int256(uint256(terms.cap)) - price);
        if (total < worst) worst = total;
        worst *= int256(uint256(terms.tickValue));
    }

    function _strikeOf(uint256 position) private pure returns (int256) {
        return int256((position >> 26) & 0xffffff);
    }

    function _isPut(uint256 position) private pure returns (bool) {
        return (position >> 25) & 1 == 1;
    }

    function _lotsOf(uint256 position) private pure returns (int256) {
        return int256(position & 0x1ffffff) - LOTS_OFFSET;
    }
}
