// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {KeyIdentity} from "./KeyIdentity.sol";

/// What a clearing house is deployed with.
struct Settings {
    /// Collateral: six decimals, so that its smallest unit is the micro-dollar of the rules.
    address token;
    address governor;
    address sequencer;
    address verifier;
    /// Through which people leave after a freeze; deployed before and for this clearing house.
    address exits;
    /// The verifier's circuit, and the keys that a last step may have.
    bytes32 terminalKey;
    KeyIdentity[] lastKeys;
    /// The first data version, and the keys that a first step may have.
    uint16 version;
    KeyIdentity[] stepKeys;
    /// The root of the state that names this chain and this contract and holds nothing else.
    uint256 genesisRoot;
    uint48 genesisTime;
    address[] oracles;
    uint8 oracleThreshold;
    uint8 oracleFaults;
    uint64 minimumDeposit;
    /// Wei for a forced item; see `Vault.charge`.
    uint256 forcedItemCharge;
    /// Seconds after which an unproved queue item or batch lets anyone freeze.
    uint32 queueWindow;
    /// Seconds after which an unproved batch may be reverted by anyone.
    uint32 proofDeadline;
    /// Seconds that leaving takes; governor actions wait for longer than this and the queue window.
    uint32 exitPeriod;
    uint32 timelock;
    /// Seconds after a group's expiry in which oracles post.
    uint32 collectionPeriod;
}
