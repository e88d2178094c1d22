// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";
import {Errors} from "./Errors.sol";
import {Queue} from "./Queue.sol";

/// Settlement prices: oracles sign, anyone carries, the median of all that was posted enters the queue.
///
/// What an oracle signs (EIP-712): SettlementPrice(uint16 group,uint48 expiry,uint64 price) under the domain
/// ("Options Clearing House", "1", chain, this contract). The price is whole ticks, the 30-minute average before expiry.
abstract contract SettlementPrices is Queue {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant PRICE_TYPE = keccak256("SettlementPrice(uint16 group,uint48 expiry,uint64 price)");

    /// Keeps sorting in one transaction.
    uint256 internal constant MAX_ORACLES = 32;

    /// Above half the group order a signature is the mirror of another one.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    struct Group {
        uint48 expiry;
        uint24 cap;
        bool isFixed;
        uint64 settlementPrice;
        uint48 fixedAt;
    }

    /// What the contract must know of a listed group.
    /// @dev Warning: `settlementPrice` is the median as posted; the rules clamp it to the cap.
    mapping(uint16 group => Group) public group;

    /// The number of oracle sets so far: prices are collected anew after a change.
    uint32 public oracleSet;
    uint8 public oracleThreshold;
    uint8 public oracleCount;
    mapping(uint32 set => mapping(address oracle => bool)) private isOracleOf;
    mapping(uint16 group => mapping(uint32 set => uint64[])) private postedPrices;
    mapping(uint16 group => mapping(uint32 set => mapping(address oracle => bool))) private hasPostedIn;

    /// Seconds after expiry in which every oracle may post, however many already have.
    uint32 public immutable collectionPeriod;

    event OraclesSet(uint32 indexed set, address[] oracles, uint8 threshold, uint8 faults);
    event PricePosted(uint16 indexed group, address indexed oracle, uint64 price);
    event PriceFixed(uint16 indexed group, uint64 price, uint256 posted);

    constructor(uint32 collectionPeriod_) {
        collectionPeriod = collectionPeriod_;
    }

    function isOracle(address oracle) external view returns (bool) {
        return isOracleOf[oracleSet][oracle];
    }

    function hasPosted(uint16 groupId, address oracle) external view returns (bool) {
        return hasPostedIn[groupId][oracleSet][oracle];
    }

    /// Prices posted for a group, in the order in which they came.
    function prices(uint16 groupId) external view returns (uint64[] memory) {
        return postedPrices[groupId][oracleSet];
    }

    /// Prepare what an oracle signs.
    function priceDigest(uint16 groupId, uint64 price) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPE, keccak256("Options Clearing House"), keccak256("1"), block.chainid, address(this)
            )
        );
        bytes32 message = keccak256(abi.encode(PRICE_TYPE, groupId, group[groupId].expiry, price));
        return keccak256(abi.encodePacked("\x19\x01", domain, message));
    }

    /// Post one oracle's price; anyone may carry it.
    /// @dev Works after a freeze too: leaving needs the prices.
    function postPrice(uint16 groupId, uint64 price, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        // Validate.
        Group storage listed = _expiredGroup(groupId);
        uint32 set = oracleSet;
        uint64[] storage posted = postedPrices[groupId][set];
        uint256 closing = uint256(listed.expiry) + collectionPeriod;
        require(
            block.timestamp <= closing || posted.length < oracleThreshold, Errors.CollectionClosed(closing)
        );
        // Compute.
        require(uint256(s) <= HALF_ORDER, Errors.SignatureInvalid());
        address oracle = ecrecover(priceDigest(groupId, price), v, r, s);
        require(oracle != address(0), Errors.SignatureInvalid());
        require(isOracleOf[set][oracle], Errors.NotOracle(oracle));
        require(!hasPostedIn[groupId][set][oracle], Errors.OracleAlreadyPosted(oracle));
        // Effects.
        hasPostedIn[groupId][set][oracle] = true;
        posted.push(price);
        emit PricePosted(groupId, oracle, price);
    }

    /// Fix a group's price as the median of all that was posted, and queue it.
    /// Soundness: with at most f oracles lying and at least 2f + 1 posted, the median lies between two honest prices.
    /// Of an even number the lower middle is taken: it was posted, an average was not.
    function fixPrice(uint16 groupId) external nonReentrant {
        // Validate.
        Group storage listed = _expiredGroup(groupId);
        uint256 closing = uint256(listed.expiry) + collectionPeriod;
        require(block.timestamp > closing, Errors.CollectionOpen(closing));
        uint64[] memory sorted = postedPrices[groupId][oracleSet];
        require(sorted.length >= oracleThreshold, Errors.TooFewPrices(sorted.length, oracleThreshold));
        // Compute.
        for (uint256 end = 1; end < sorted.length; ++end) {
            uint64 moving = sorted[end];
            uint256 place = end;
            for (; place > 0 && sorted[place - 1] > moving; --place) sorted[place] = sorted[place - 1];
            sorted[place] = moving;
        }
        uint64 median = sorted[(sorted.length - 1) / 2];
        // Effects.
        listed.isFixed = true;
        listed.settlementPrice = median;
        listed.fixedAt = uint48(block.timestamp);
        emit PriceFixed(groupId, median, sorted.length);
        // After a freeze no batch will serve the item; the exit reads the price here.
        if (frozenAt == 0) _enqueue(BatchLayout.SETTLEMENT_PRICE, abi.encodePacked(groupId, median));
    }

    function _expiredGroup(uint16 groupId) private view returns (Group storage listed) {
        listed = group[groupId];
        require(listed.expiry != 0, Errors.GroupUnknown(groupId));
        require(block.timestamp >= listed.expiry, Errors.GroupNotExpired(listed.expiry));
        require(!listed.isFixed, Errors.PriceAlreadyFixed(groupId));
    }

    /// Replace the oracles: at least 2f + 1 must post, and f silent ones must not stop them.
    function _setOracles(address[] memory oracles, uint8 threshold, uint8 faults) internal {
        require(
            oracles.length <= MAX_ORACLES && threshold >= 2 * uint256(faults) + 1
                && oracles.length >= uint256(threshold) + faults,
            Errors.OraclesInvalid()
        );
        uint32 set = ++oracleSet;
        for (uint256 place = 0; place < oracles.length; ++place) {
            // Soundness: an address named twice would count for two oracles in the bounds above.
            require(oracles[place] != address(0) && !isOracleOf[set][oracles[place]], Errors.OraclesInvalid());
            isOracleOf[set][oracles[place]] = true;
        }
        oracleThreshold = threshold;
        oracleCount = uint8(oracles.length);
        emit OraclesSet(set, oracles, threshold, faults);
    }
}
