// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "./Batches.sol";
import {Errors} from "./Errors.sol";
import {Governance} from "./Governance.sol";
import {IExits} from "./IExits.sol";
import {SettlementPrices} from "./SettlementPrices.sol";
import {Settings} from "./Settings.sol";
import {Vault} from "./Vault.sol";

/// The clearing house on Ethereum: it holds the money, keeps the queue, and believes a state only with a proof.
///
/// Queue             what owners, governor and oracles say, in order
/// ProofKeys         the verifier, and the keys that a proof may go through
/// Batches           published data, proofs, revert and freeze
/// Vault             deposits, forced items, claims
/// SettlementPrices  the oracles' median
/// Governance        the governor's actions, after notice
///
/// The exit after a freeze is a contract of its own, `Exits`: it reads what is kept here (the last proved root and queue
/// position, the running hash before every queue item, the settlement prices) and tells the vault whom to pay.
contract ClearingHouse is Governance {
    constructor(Settings memory settings)
        Batches(settings.genesisRoot, settings.genesisTime, settings.queueWindow, settings.proofDeadline)
        Vault(settings.token, settings.minimumDeposit, settings.forcedItemCharge, settings.exits)
        SettlementPrices(settings.collectionPeriod)
        Governance(settings.timelock, settings.exitPeriod)
    {
        _setGovernor(settings.governor);
        _setSequencer(settings.sequencer);
        _setVerifier(settings.verifier, settings.terminalKey, settings.lastKeys);
        _setOracles(settings.oracles, settings.oracleThreshold, settings.oracleFaults);
        _setStepKeys(settings.version, settings.stepKeys);
        // Soundness: exits that check leaves against another house's root would pay them out of this vault.
        require(IExits(settings.exits).house() == address(this), Errors.ExitsOfAnotherHouse(settings.exits));
    }
}
