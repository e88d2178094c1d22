// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Where things stand in a circuit's description: the same words as `prover/export/description.py`, by a test.
library CircuitDescription {
    uint256 internal constant KEY_DIGEST = 0;
    uint256 internal constant TRANSCRIPT_STATE = 32;
    uint256 internal constant PREPROCESSED_ROOT = 64;
    uint256 internal constant STATEMENT_WORDS = 96;
    uint256 internal constant STATEMENT = 128;
    uint256 internal constant PUBLIC_VALUES = 160;
    uint256 internal constant ROUNDS = 192;
    uint256 internal constant ROUND_LIST = 224;
    uint256 internal constant GRINDING_CHALLENGE_ROUND = 256;
    uint256 internal constant GRINDING_CONSTRAINT = 288;
    uint256 internal constant GRINDING_OUT_OF_DOMAIN = 320;
    uint256 internal constant GRINDING_BATCHING = 352;
    uint256 internal constant GRINDING_FOLDING = 384;
    uint256 internal constant GRINDING_QUERY = 416;
    uint256 internal constant ROOTS = 448;
    uint256 internal constant BUS_SUMS = 480;
    uint256 internal constant OPENED_VALUES = 512;
    uint256 internal constant LOG_FINAL_LENGTH = 544;
    uint256 internal constant QUERIES = 576;
    uint256 internal constant LOG_BLOWUP = 608;
    uint256 internal constant HEIGHTS = 640;
    uint256 internal constant HEIGHT_LIST = 672;
    uint256 internal constant PHASES = 704;
    uint256 internal constant PHASE_LIST = 736;
    uint256 internal constant FOLDS = 768;
    uint256 internal constant FOLD_LIST = 800;
    uint256 internal constant CONSTANTS = 832;
    uint256 internal constant CONSTANT_LIST = 864;
    uint256 internal constant COMBINERS = 896;
    uint256 internal constant PERIODIC_GROUPS = 928;
    uint256 internal constant PERIODIC_LIST = 960;
    uint256 internal constant MESSAGES = 992;
    uint256 internal constant MESSAGE_TAG = 1024;
    uint256 internal constant MESSAGE_CHALLENGES = 1056;
    uint256 internal constant TABLES = 1088;
    uint256 internal constant CONSTRAINT_TAPE = 1120;
    uint256 internal constant CLAIM_TAPE = 1152;
    uint256 internal constant TAPE_END = 1184;
    uint256 internal constant REGISTERS = 1216;

    /// Marks the phase whose root is the key's.
    uint256 internal constant NO_ROOT = 255;

    /// Copy the description out of a contract's code, behind the byte that stops whoever calls it.
    function load(address holder) internal view returns (uint256 description) {
        assembly ("memory-safe") {
            let length := sub(extcodesize(holder), 1)
            description := mload(0x40)
            // The end of a tape is read as a whole word, so a word follows.
            mstore(0x40, and(add(add(description, length), 63), not(31)))
            extcodecopy(holder, description, 1, length)
        }
    }

    /// A number at the head of the description.
    function head(uint256 description, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(description, place))
        }
    }

    /// So many bytes at a place of memory, as a number.
    function number(uint256 cursor, uint256 count) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, count)), mload(cursor))
        }
    }
}
