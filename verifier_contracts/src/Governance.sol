// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";
import {Errors} from "./Errors.sol";
import {KeyIdentity} from "./KeyIdentity.sol";
import {SettlementPrices} from "./SettlementPrices.sol";
import {Vault} from "./Vault.sol";

/// What the governor may do, after notice: there is no other way to any of it.
abstract contract Governance is Vault, SettlementPrices {
    /// Everything that can be proposed; arguments are ABI-encoded.
    enum Action {
        /// (uint16 group, uint16 underlying, uint48 expiry, uint32 cap, uint32 tickMicroDollars, uint32 lotMicroUnits)
        ListGroup,
        /// (uint16 group, uint32 strike, uint16 option)
        ListSeries,
        /// (uint16 makerFeeRate, uint16 takerFeeRate, uint32 treasury)
        SetParameters,
        /// (address[] oracles, uint8 threshold, uint8 faults)
        SetOracles,
        /// (address sequencer)
        SetSequencer,
        /// (address governor)
        SetGovernor,
        /// (address verifier, bytes32 terminalKey, KeyIdentity[] lastKeys)
        SetVerifier,
        /// (uint16 version, KeyIdentity[] stepKeys)
        SetStepKeys
    }

    struct Proposal {
        bytes32 digest;
        uint48 readyAt;
    }

    /// Micro-units in a unit of the underlying.
    uint256 private constant MICRO = 1_000_000;

    /// Seconds for which a proposal stays ready: one that waited for years would be no notice.
    uint256 internal constant PROPOSAL_LIFETIME = 14 days;

    address public governor;
    uint256 public proposalCount;

    /// Proposals by number; those executed or cancelled are gone.
    mapping(uint256 number => Proposal) public proposal;

    uint32 public immutable timelock;
    uint32 public immutable exitPeriod;

    event Proposed(uint256 indexed proposal, Action indexed action, bytes arguments, uint48 readyAt);
    event Executed(uint256 indexed proposal, Action indexed action, bytes arguments);
    event Cancelled(uint256 indexed proposal);

    /// Soundness: with a shorter timelock a change could take effect before someone who saw it announced has left.
    constructor(uint32 timelock_, uint32 exitPeriod_) {
        uint256 required = uint256(queueWindow) + exitPeriod_;
        require(timelock_ > required, Errors.TimelockTooShort(timelock_, required));
        timelock = timelock_;
        exitPeriod = exitPeriod_;
    }

    modifier onlyGovernor() {
        require(msg.sender == governor, Errors.NotGovernor(msg.sender));
        _;
    }

    /// Give notice.
    function propose(Action action, bytes calldata arguments)
        external
        nonReentrant
        whileRunning
        onlyGovernor
        returns (uint256 number)
    {
        number = proposalCount++;
        uint48 readyAt = uint48(block.timestamp + timelock);
        proposal[number] = Proposal(_digest(action, arguments), readyAt);
        emit Proposed(number, action, arguments, readyAt);
    }

    /// Take a notice back.
    function cancel(uint256 number) external nonReentrant onlyGovernor {
        require(proposal[number].readyAt != 0, Errors.ProposalUnknown(number));
        delete proposal[number];
        emit Cancelled(number);
    }

    /// Do what was announced.
    /// @dev Nothing is executed after a freeze: what people leave by stays as it was.
    function execute(uint256 number, Action action, bytes calldata arguments)
        external
        nonReentrant
        whileRunning
        onlyGovernor
    {
        // Validate.
        Proposal memory announced = proposal[number];
        require(announced.readyAt != 0, Errors.ProposalUnknown(number));
        require(announced.digest == _digest(action, arguments), Errors.ProposalDiffers(number));
        require(block.timestamp >= announced.readyAt, Errors.ProposalNotReady(announced.readyAt));
        uint256 expiresAt = announced.readyAt + PROPOSAL_LIFETIME;
        require(block.timestamp <= expiresAt, Errors.ProposalExpired(expiresAt));
        // Effects.
        delete proposal[number];
        if (action == Action.ListGroup) {
            _listGroup(arguments);
        } else if (action == Action.ListSeries) {
            _listSeries(arguments);
        } else if (action == Action.SetParameters) {
            _setParameters(arguments);
        } else if (action == Action.SetOracles) {
            (address[] memory oracles, uint8 threshold, uint8 faults) =
                abi.decode(arguments, (address[], uint8, uint8));
            _setOracles(oracles, threshold, faults);
        } else if (action == Action.SetSequencer) {
            _setSequencer(abi.decode(arguments, (address)));
        } else if (action == Action.SetGovernor) {
            _setGovernor(abi.decode(arguments, (address)));
        } else if (action == Action.SetVerifier) {
            (address verifier_, bytes32 terminalKey_, KeyIdentity[] memory lastKeys) =
                abi.decode(arguments, (address, bytes32, KeyIdentity[]));
            _setVerifier(verifier_, terminalKey_, lastKeys);
        } else {
            (uint16 version, KeyIdentity[] memory stepKeys) = abi.decode(arguments, (uint16, KeyIdentity[]));
            _setStepKeys(version, stepKeys);
        }
        emit Executed(number, action, arguments);
    }

    /// The terms that the rules require too: here they fail before they cost a group number.
    function _listGroup(bytes calldata arguments) private {
        (uint16 id, uint16 underlying, uint48 expiry, uint32 cap, uint32 tickMicroDollars, uint32 lotMicroUnits) =
            abi.decode(arguments, (uint16, uint16, uint48, uint32, uint32, uint32));
        require(group[id].expiry == 0, Errors.GroupAlreadyListed(id));
        require(expiry > block.timestamp, Errors.GroupExpired(expiry));
        uint256 product = uint256(tickMicroDollars) * lotMicroUnits;
        require(
            0 < cap && cap < 1 << 24 && product != 0 && product % MICRO == 0
                && uint256(cap) * (product / MICRO) < 1 << 32,
            Errors.GroupTermsInvalid()
        );
        group[id].expiry = expiry;
        group[id].cap = uint24(cap);
        _enqueue(
            BatchLayout.LIST_GROUP,
            abi.encodePacked(id, underlying, expiry, cap, tickMicroDollars, lotMicroUnits)
        );
    }

    function _listSeries(bytes calldata arguments) private {
        (uint16 id, uint32 strike, uint16 option) = abi.decode(arguments, (uint16, uint32, uint16));
        Group storage listed = group[id];
        require(listed.expiry != 0, Errors.GroupUnknown(id));
        require(listed.expiry > block.timestamp, Errors.GroupExpired(listed.expiry));
        require(0 < strike && strike < listed.cap, Errors.StrikeOutsideCap(strike, listed.cap));
        require(option < 2, Errors.OptionKindUnknown(option));
        _enqueue(BatchLayout.LIST_SERIES, abi.encodePacked(id, strike, option));
    }

    /// Soundness: a treasury that exists when this is queued exists when it is served, so the item always takes effect
    /// and the version that a batch's statement counts is the state's.
    function _setParameters(bytes calldata arguments) private {
        (uint16 makerFeeRate, uint16 takerFeeRate, uint32 treasury) =
            abi.decode(arguments, (uint16, uint16, uint32));
        require(0 < treasury && treasury <= accountCount, Errors.TreasuryMissing(treasury));
        _enqueue(BatchLayout.SET_PARAMETERS, abi.encodePacked(makerFeeRate, takerFeeRate, treasury));
    }

    function _setGovernor(address governor_) internal {
        require(governor_ != address(0), Errors.AddressIsZero());
        governor = governor_;
    }

    function _digest(Action action, bytes calldata arguments) private pure returns (bytes32) {
        return keccak256(abi.encode(action, arguments));
    }
}
