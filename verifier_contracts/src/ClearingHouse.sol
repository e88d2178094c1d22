// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "./Batches.sol";
import {Governance} from "./Governance.sol";
import {SettlementPrices} from "./SettlementPrices.sol";
import {Settings} from "./Settings.sol";
import {Vault} from "./Vault.sol";

/// The clearing house on Ethereum: it holds the money, keeps the queue, and believes a state only with a proof.
///
/// Queue             what owners, governor and oracles say, in order
/// Batches           published data, proofs, revert and freeze
/// Vault             deposits, forced items, claims
/// SettlementPrices  the oracles' median
/// Governance        the governor's actions, after notice
///
/// The exit after a freeze is not here yet. What it will need is kept: the last proved root and queue position, the
/// running hash before every queue item, the settlement prices, and the bits of what has been claimed.
contract ClearingHouse is Governance {
    constructor(Settings memory settings)
        Batches(settings.genesisRoot, settings.genesisTime, settings.queueWindow, settings.proofDeadline)
        Vault(settings.token, settings.minimumDeposit, settings.forcedItemCharge)
        SettlementPrices(settings.collectionPeriod)
        Governance(settings.timelock, settings.exitPeriod)
    {
        _setGovernor(settings.governor);
        _setSequencer(settings.sequencer);
        _setVerifier(settings.verifier, settings.terminalKey);
        _setOracles(settings.oracles, settings.oracleThreshold, settings.oracleFaults);
        baseKey[settings.version] = settings.baseKey;
    }
}
