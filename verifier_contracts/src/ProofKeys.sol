// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {IVerifier} from "./IVerifier.sol";
import {KeyIdentity} from "./KeyIdentity.sol";
import {Queue} from "./Queue.sol";

/// Which keys the proof of a batch may go through on its way to the verifier.
///
///     batch's proof ── first step, one of its data version's keys ──► last step, one of the verifier's keys ──► verifier
///
/// Keys are kept in sets, each under a number of its own: what was in an earlier set is gone at once.
abstract contract ProofKeys is Queue {
    IVerifier public verifier;

    /// First argument of `verify`: the circuit that shows a last step.
    bytes32 public terminalKey;

    /// Sets that have been made; none is made twice.
    uint32 private keySetCount;

    /// The set of keys that a last step may have; zero for none.
    uint32 public lastKeySet;

    /// The set of keys that a first step may have, by data version; zero where the version is unknown or withdrawn.
    /// @dev Read when a batch is proved, so that a bad key's batches can never be proved once it is withdrawn.
    mapping(uint16 version => uint32) public stepKeySet;

    /// Whether a set holds a key: by the Keccak of its two words.
    mapping(uint32 set => mapping(bytes32 key => bool)) public isInKeySet;

    event VerifierSet(address verifier, bytes32 terminalKey, uint32 set, KeyIdentity[] lastKeys);
    event StepKeysSet(uint16 indexed version, uint32 set, KeyIdentity[] stepKeys);

    /// Soundness: a verifier and the keys of last steps belong together, so they change together.
    function _setVerifier(address verifier_, bytes32 terminalKey_, KeyIdentity[] memory lastKeys) internal {
        require(verifier_ != address(0), Errors.AddressIsZero());
        verifier = IVerifier(verifier_);
        terminalKey = terminalKey_;
        lastKeySet = _makeKeySet(lastKeys);
        emit VerifierSet(verifier_, terminalKey_, lastKeySet, lastKeys);
    }

    /// Replace the keys of a data version; none withdraws it.
    function _setStepKeys(uint16 version, KeyIdentity[] memory stepKeys) internal {
        uint32 set = _makeKeySet(stepKeys);
        stepKeySet[version] = set;
        emit StepKeysSet(version, set, stepKeys);
    }

    function _makeKeySet(KeyIdentity[] memory keys) private returns (uint32 set) {
        if (keys.length == 0) return 0;
        set = ++keySetCount;
        for (uint256 k = 0; k < keys.length; ++k) {
            // Soundness: a slot of zeros shows nothing, so no key may be spelled like one.
            require(keys[k].digest != 0, Errors.KeyIsZero());
            isInKeySet[set][_keyHash(keys[k])] = true;
        }
    }

    function _keyHash(KeyIdentity memory key) internal pure returns (bytes32) {
        return keccak256(abi.encode(key));
    }
}
