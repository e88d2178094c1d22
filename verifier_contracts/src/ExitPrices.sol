// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClearingHouse} from "./ClearingHouse.sol";
import {ExitErrors} from "./ExitErrors.sol";
import {ExitPayoffs} from "./ExitPayoffs.sol";

/// At which price a group ends after a freeze: once it is known it never changes.
///
///     fixed in the last proved state     its price there
///     adopted here                       the governor's, when the oracles have been silent for long, and after notice
///     fixed by the clearing house        the median of what oracles posted, before the freeze or after it
abstract contract ExitPrices {
    /// Seconds for which too few oracles must have posted before the governor may give notice of a price.
    uint256 public constant SILENCE = 14 days;

    struct Notice {
        uint64 price;
        uint48 readyAt;
        bool isAdopted;
    }

    ClearingHouse public immutable house;

    /// Groups whose leaf has been shown.
    mapping(uint16 group => ExitPayoffs.Terms) public terms;

    /// The governor's prices, announced or adopted.
    mapping(uint16 group => Notice) public notice;

    event PriceAnnounced(uint16 indexed group, uint64 price, uint48 readyAt);
    event PriceWithdrawn(uint16 indexed group);
    event PriceAdopted(uint16 indexed group, uint64 price);

    modifier onlyGovernor() {
        require(msg.sender == house.governor(), ExitErrors.NotGovernor(msg.sender));
        _;
    }

    modifier whenFrozen() {
        require(house.frozenAt() != 0, ExitErrors.NotFrozen());
        _;
    }

    /// The price at which a group ends, if it is known; the group's leaf must have been shown.
    /// Soundness: accounts of one group that were paid at two prices would take more than the vault has, or less.
    /// An adopted price comes before the median, because the median may be fixed later; the median hinders an adoption.
    function priceOf(uint16 group) public view returns (bool isKnown, uint256 price) {
        ExitPayoffs.Terms memory shown = terms[group];
        require(shown.isProved, ExitErrors.GroupNotProved(group));
        if (shown.isFixed) return (true, shown.price);
        Notice memory given = notice[group];
        if (given.isAdopted) return (true, given.price);
        (,, isKnown, price,) = house.group(group);
    }

    /// Give notice of the price of a group for which the oracles have not posted enough; a second notice starts anew.
    function announcePrice(uint16 group, uint64 price) external whenFrozen onlyGovernor {
        // Validate.
        _requireSilence(group);
        require(!notice[group].isAdopted, ExitErrors.AlreadyAdopted(group));
        // Effects.
        uint48 readyAt = uint48(block.timestamp + house.timelock());
        notice[group] = Notice(price, readyAt, false);
        emit PriceAnnounced(group, price, readyAt);
    }

    /// Take a notice back.
    function withdrawPrice(uint16 group) external onlyGovernor {
        require(notice[group].readyAt != 0, ExitErrors.NoNotice(group));
        require(!notice[group].isAdopted, ExitErrors.AlreadyAdopted(group));
        delete notice[group];
        emit PriceWithdrawn(group);
    }

    /// Settle a group at the announced price; anyone may, once the notice has run out and the oracles are still silent.
    function adoptPrice(uint16 group) external whenFrozen {
        // Validate.
        Notice memory given = notice[group];
        require(given.readyAt != 0, ExitErrors.NoNotice(group));
        require(!given.isAdopted, ExitErrors.AlreadyAdopted(group));
        require(block.timestamp >= given.readyAt, ExitErrors.TooEarly(given.readyAt));
        _requireSilence(group);
        // Effects.
        notice[group].isAdopted = true;
        emit PriceAdopted(group, given.price);
    }

    /// Soundness: a governor's price never stands against enough oracles, however late they are.
    function _requireSilence(uint16 group) private view {
        (uint48 expiry,, bool isFixed,,) = house.group(group);
        require(expiry != 0, ExitErrors.GroupUnknown(group));
        uint256 frozenAt = house.frozenAt();
        uint256 until = (expiry > frozenAt ? expiry : frozenAt) + SILENCE;
        require(block.timestamp > until, ExitErrors.TooEarly(until));
        require(
            !isFixed && house.prices(group).length < house.oracleThreshold(), ExitErrors.OraclesHavePosted(group)
        );
    }
}
