// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";
import {ClaimTree} from "./ClaimTree.sol";
import {DataPolynomial} from "./DataPolynomial.sol";
import {Errors} from "./Errors.sol";
import {Field} from "./Field.sol";
import {KeyIdentity} from "./KeyIdentity.sol";
import {Memory} from "./Memory.sol";
import {ProofKeys} from "./ProofKeys.sol";

/// The life of a batch: begun, appended, sealed, proved; or reverted; or voided by a freeze.
///
///     begin ──► append ... append ──► seal ──► prove          in the order of the numbers
///       ▲                               │
///       └────────── revertBatches ◄─────┘                     back to the last proved batch
abstract contract Batches is ProofKeys {
    /// A batch's time may be this many seconds behind the block that seals it.
    uint256 internal constant MAX_TIME_LAG = 1 hours;

    /// Where the data of a batch was published: here, in calldata.
    uint256 internal constant DATA_KIND_CALLDATA = 0;

    /// Words of one batch's statement.
    uint256 internal constant STATEMENT_WORDS = 15;

    /// Batches that one proof can show.
    uint256 internal constant SLOTS = 8;

    /// A slot of the terminal statement: the key of the batch's first step, and the batch's statement.
    uint256 internal constant SLOT_WORDS = 2 + STATEMENT_WORDS;

    /// The terminal statement: the key of the last step, and the slots.
    uint256 internal constant TERMINAL_WORDS = 2 + SLOTS * SLOT_WORDS;

    struct Batch {
        /// State root afterwards, as the sequencer says until it is proved.
        uint256 newRoot;
        /// R: Poseidon digest of the data, as the sequencer says until it is proved.
        uint256 dataDigest;
        /// z: where the data polynomial is evaluated.
        uint256 point;
        /// y: the value so far; the value of all data once sealed.
        uint256 value;
        bytes32 claimsRoot;
        uint32 length;
        uint32 queueEnd;
        uint32 parametersVersion;
        uint16 version;
        uint16 claims;
        uint48 time;
        uint48 sealedAt;
    }

    /// What is needed of a batch only until it is sealed.
    struct OpenBatch {
        /// h, as begun with.
        bytes32 dataHash;
        bytes32 runningHash;
        /// Running queue hash after the items in the data.
        bytes32 itemsHash;
        uint32 received;
        bool isBegun;
    }

    /// Batches by number; zero is the genesis.
    /// @dev Warning: a number above `sealedBatch` holds a batch that is being appended or was reverted.
    mapping(uint32 number => Batch) internal batches;

    OpenBatch internal openBatch;

    uint32 public provedBatch;
    uint32 public sealedBatch;

    address public sequencer;

    uint32 public immutable queueWindow;
    uint32 public immutable proofDeadline;

    event BatchBegun(
        uint32 indexed number,
        uint16 version,
        uint32 length,
        uint256 dataDigest,
        bytes32 dataHash,
        uint256 newRoot,
        uint256 point
    );
    event ChunkAppended(uint32 indexed number, uint32 offset, uint32 length);
    event BatchSealed(
        uint32 indexed number, uint256 newRoot, uint48 time, uint32 queueEnd, uint16 claims, uint256 value
    );
    event BatchProved(uint32 indexed number, uint256 newRoot, uint32 queueEnd);
    event BatchesReverted(uint32 firstReverted, uint32 lastReverted);
    event Frozen(uint48 time, uint32 provedBatch);

    constructor(uint256 genesisRoot, uint48 genesisTime, uint32 queueWindow_, uint32 proofDeadline_) {
        require(
            0 < proofDeadline_ && proofDeadline_ <= queueWindow_, Errors.ProofDeadlineOutOfRange(proofDeadline_)
        );
        require(genesisTime <= block.timestamp, Errors.GenesisInFuture(genesisTime));
        Field.requireCanonical(genesisRoot);
        batches[0].newRoot = genesisRoot;
        batches[0].time = genesisTime;
        queueWindow = queueWindow_;
        proofDeadline = proofDeadline_;
    }

    modifier onlySequencer() {
        require(msg.sender == sequencer, Errors.NotSequencer(msg.sender));
        _;
    }

    // -------------------------------------------------------------------------------------------------- reading

    /// A sealed or proved batch, or the genesis.
    function batch(uint32 number) external view returns (Batch memory) {
        require(number <= sealedBatch, Errors.BatchNotSealed(number));
        return batches[number];
    }

    /// How far the batch in progress is.
    function progress() external view returns (OpenBatch memory open, Batch memory unfinished) {
        open = openBatch;
        if (open.isBegun) unfinished = batches[sealedBatch + 1];
    }

    /// The first queue position that no proved batch has served.
    function provedQueue() public view returns (uint32) {
        return batches[provedBatch].queueEnd;
    }

    /// What a proof of a sealed batch must show.
    function statement(uint32 number) external view returns (uint256[] memory words) {
        require(0 < number && number <= sealedBatch, Errors.BatchNotSealed(number));
        words = new uint256[](STATEMENT_WORDS);
        uint256 cursor;
        assembly ("memory-safe") {
            cursor := add(words, 32)
        }
        _writeStatement(cursor, number);
    }

    /// Write the statement of a batch to a place of memory that has room for it.
    function _writeStatement(uint256 cursor, uint32 number) private view {
        Batch storage proving = batches[number];
        Batch storage previous = batches[number - 1];
        Memory.set(cursor, 0, proving.version);
        Memory.set(cursor, 1, block.chainid);
        Memory.set(cursor, 2, uint160(address(this)));
        Memory.set(cursor, 3, number);
        Memory.set(cursor, 4, previous.newRoot);
        Memory.set(cursor, 5, proving.newRoot);
        Memory.set(cursor, 6, DATA_KIND_CALLDATA);
        Memory.set(cursor, 7, proving.length);
        Memory.set(cursor, 8, proving.dataDigest);
        Memory.set(cursor, 9, proving.point);
        Memory.set(cursor, 10, proving.value);
        Memory.set(cursor, 11, previous.queueEnd);
        Memory.set(cursor, 12, proving.queueEnd);
        Memory.set(cursor, 13, proving.time);
        Memory.set(cursor, 14, proving.parametersVersion);
    }

    // ------------------------------------------------------------------------------------------------- batching

    /// Announce the next batch: R, h and the length fix the point z. Begun again, it starts over.
    function begin(uint16 version, uint256 dataDigest, bytes32 dataHash, uint32 length, uint256 newRoot)
        external
        nonReentrant
        whileRunning
        onlySequencer
    {
        // Validate.
        require(stepKeySet[version] != 0, Errors.VersionUnknown(version));
        require(
            length % 2 == 0 && length >= BatchLayout.HEADER_BYTES && length <= BatchLayout.MAX_DATA_BYTES,
            Errors.DataLengthOutOfRange(length)
        );
        Field.requireCanonical(dataDigest);
        Field.requireCanonical(newRoot);
        require(sealedBatch < type(uint32).max, Errors.BatchNumbersExhausted());
        // Compute.
        uint32 number = sealedBatch + 1;
        uint256 point = DataPolynomial.pointOf(number, version, length, dataDigest, dataHash);
        // Effects.
        Batch storage begun = batches[number];
        begun.newRoot = newRoot;
        begun.dataDigest = dataDigest;
        begun.point = point;
        begun.value = DataPolynomial.LEADING_ONE;
        begun.claimsRoot = 0;
        begun.length = length;
        begun.version = version;
        openBatch = OpenBatch(dataHash, 0, 0, 0, true);
        emit BatchBegun(number, version, length, dataDigest, dataHash, newRoot, point);
    }

    /// Publish the next bytes of the batch.
    /// Every chunk but the last is whole pieces of 4,096 bytes; the first holds all queue items, the last all claims.
    /// @dev The sequencer must call it itself, from an address without code: the chunk is read off its transaction.
    function append(bytes calldata chunk) external nonReentrant whileRunning onlySequencer {
        // Validate.
        // Soundness: what another contract hands on, or code of the sequencer's own address (EIP-7702), stands in no
        // transaction's calldata; nobody could repeat the state without tracing, and nobody could leave.
        require(msg.sender == tx.origin && msg.sender.code.length == 0, Errors.DataNotInCalldata());
        require(openBatch.isBegun, Errors.NoBatchBegun());
        uint32 number = sealedBatch + 1;
        Batch storage appended = batches[number];
        uint256 length = appended.length;
        uint256 offset = openBatch.received;
        uint256 end = offset + chunk.length;
        require(
            chunk.length != 0 && chunk.length <= BatchLayout.MAX_CHUNK_BYTES,
            Errors.ChunkSizeOutOfRange(chunk.length)
        );
        require(end <= length, Errors.DataTooLong(end, length));
        require(
            end == length || chunk.length % BatchLayout.PIECE_BYTES == 0, Errors.ChunkNotWholePieces(chunk.length)
        );
        // Compute and effects.
        if (offset == 0) _readFront(number, appended, chunk);
        openBatch.runningHash = _hashPieces(openBatch.runningHash, chunk);
        openBatch.received = uint32(end);
        appended.value = DataPolynomial.advance(appended.value, appended.point, chunk);
        if (end == length) _readBack(number, appended, chunk);
        emit ChunkAppended(number, uint32(offset), uint32(chunk.length));
    }

    /// Close the batch: all its data is here, its queue items are the queue's, its time is true to an hour.
    function seal() external nonReentrant whileRunning onlySequencer {
        // Validate.
        OpenBatch memory open = openBatch;
        require(open.isBegun, Errors.NoBatchBegun());
        uint32 number = sealedBatch + 1;
        Batch storage closed = batches[number];
        require(open.received == closed.length, Errors.DataIncomplete(open.received, closed.length));
        require(open.runningHash == open.dataHash, Errors.DataHashMismatch(open.runningHash, open.dataHash));
        uint32 queueEnd = closed.queueEnd;
        require(queueEnd <= queueLength, Errors.QueueItemsMissing(queueEnd, queueLength));
        bytes32 inQueue = queueHash(queueEnd);
        require(open.itemsHash == inQueue, Errors.QueueItemsDiffer(open.itemsHash, inQueue));
        uint48 time = closed.time;
        uint48 previousTime = batches[number - 1].time;
        require(time >= previousTime, Errors.TimeRunsBackwards(time, previousTime));
        require(time <= block.timestamp, Errors.TimeInFuture(time));
        // Soundness: checked here and not at the first chunk, or a batch could be left open until its time is a lie.
        require(time + MAX_TIME_LAG >= block.timestamp, Errors.TimeTooOld(time));
        // Effects.
        closed.sealedAt = uint48(block.timestamp);
        sealedBatch = number;
        delete openBatch;
        emit BatchSealed(number, closed.newRoot, time, queueEnd, closed.claims, closed.value);
    }

    /// Prove the oldest sealed batches, up to eight of them at once; anyone may.
    /// The prover names the first batch, the key of each batch's first step, and the key of the last step.
    /// Soundness: every other word of the statement comes from here, so what is proved is what was published.
    function prove(uint32 first, KeyIdentity[] calldata keys, KeyIdentity calldata last, bytes calldata proof)
        external
        nonReentrant
        whileRunning
    {
        // Validate.
        uint256 next = uint256(provedBatch) + 1;
        require(first == next, Errors.BatchNotNextToProve(first, uint32(next)));
        require(0 < keys.length && keys.length <= SLOTS, Errors.BatchCountOutOfRange(keys.length));
        uint256 end = next + keys.length;
        require(end <= uint256(sealedBatch) + 1, Errors.BatchNotSealed(end - 1));
        require(isInKeySet[lastKeySet][_keyHash(last)], Errors.LastKeyUnknown());
        // Compute. Slots that are not used stay zero.
        uint256[] memory words = new uint256[](TERMINAL_WORDS);
        words[0] = last.digest;
        words[1] = last.root;
        uint256 slot;
        assembly ("memory-safe") {
            slot := add(words, 96)
        }
        for (uint256 number = next; number < end; ++number) {
            KeyIdentity calldata key = keys[number - next];
            // Soundness: a key of another data version could read the same bytes as something else.
            uint16 version = batches[uint32(number)].version;
            require(isInKeySet[stepKeySet[version]][_keyHash(key)], Errors.StepKeyUnknown(number, version));
            Memory.set(slot, 0, key.digest);
            Memory.set(slot, 1, key.root);
            _writeStatement(slot + 64, uint32(number));
            slot += 32 * SLOT_WORDS;
        }
        verifier.verify(terminalKey, words, proof);
        // Effects.
        provedBatch = uint32(end - 1);
        for (uint256 number = next; number < end; ++number) {
            Batch storage proved = batches[uint32(number)];
            emit BatchProved(uint32(number), proved.newRoot, proved.queueEnd);
        }
    }

    /// Go back to the last proved batch: the sequencer at any time, anyone once a proof is overdue.
    /// The queue items of what is undone wait again.
    function revertBatches() external nonReentrant whileRunning {
        // Validate.
        uint32 proved = provedBatch;
        uint32 last = sealedBatch;
        require(last > proved || openBatch.isBegun, Errors.NothingToRevert());
        require(
            msg.sender == sequencer || (last > proved && _isOlderThan(batches[proved + 1].sealedAt, proofDeadline)),
            Errors.ProofNotOverdue()
        );
        // Effects.
        _dropUnproved();
        emit BatchesReverted(proved + 1, last);
    }

    /// Stop the clearing house for ever: a queue item or a batch has waited for its proof longer than the window.
    /// Soundness: the window runs on the proved position; a sequencer that seals and never proves serves nobody.
    function freeze() external nonReentrant whileRunning {
        // Validate.
        uint32 waiting = provedQueue();
        bool isQueueOverdue = waiting < queueLength && _isOlderThan(queueItem[waiting].time, queueWindow);
        bool isBatchOverdue =
            sealedBatch > provedBatch && _isOlderThan(batches[provedBatch + 1].sealedAt, queueWindow);
        require(isQueueOverdue || isBatchOverdue, Errors.NothingOverdue());
        // Effects.
        frozenAt = uint48(block.timestamp);
        _dropUnproved();
        emit Frozen(uint48(block.timestamp), provedBatch);
    }

    // ------------------------------------------------------------------------------------------------- the data

    /// Read the header and the queue items, which stand in front.
    function _readFront(uint32 number, Batch storage appended, bytes calldata chunk) private {
        // The header is here: a shorter first chunk would be the last too, and the whole is longer than a header.
        uint256 version = BatchLayout.number(chunk, 0, 2);
        require(version == appended.version, Errors.HeaderVersionMismatch(version, appended.version));
        uint256 length = BatchLayout.number(chunk, 2, 4);
        require(length == appended.length, Errors.HeaderLengthMismatch(length, appended.length));
        uint256 inHeader = BatchLayout.number(chunk, 6, 4);
        require(inHeader == number, Errors.HeaderNumberMismatch(inHeader, number));
        Batch storage previous = batches[number - 1];
        uint256 position = BatchLayout.number(chunk, 16, 4);
        require(position == previous.queueEnd, Errors.HeaderQueueStartMismatch(position, previous.queueEnd));
        uint256 queueEnd = position + BatchLayout.number(chunk, 20, 2);
        (bytes32 hash, uint256 itemsEnd, uint256 parameterChanges) =
            _hashItems(queueHash(position), position, queueEnd, chunk);
        uint256 claims = BatchLayout.number(chunk, 24, 2);
        // Soundness: were the claims allowed to begin before the items end, bytes that the circuit reads as one thing
        // would be paid out as another.
        require(itemsEnd + claims * BatchLayout.CLAIM_BYTES <= length, Errors.SectionsOverlap());
        appended.time = uint48(BatchLayout.number(chunk, 10, 6));
        appended.claims = uint16(claims);
        appended.queueEnd = uint32(queueEnd);
        appended.parametersVersion = previous.parametersVersion + uint32(parameterChanges);
        openBatch.itemsHash = hash;
    }

    /// Repeat the queue's running hash over the items in the data, and count those that set parameters.
    function _hashItems(bytes32 hash, uint256 position, uint256 queueEnd, bytes calldata chunk)
        private
        pure
        returns (bytes32, uint256 offset, uint256 parameterChanges)
    {
        offset = BatchLayout.HEADER_BYTES;
        for (; position < queueEnd; ++position) {
            require(offset + BatchLayout.ITEM_PREFIX_BYTES <= chunk.length, Errors.QueueItemsNotInFirstChunk());
            uint256 tag = BatchLayout.number(chunk, offset, 2);
            uint256 itemEnd = offset + BatchLayout.ITEM_PREFIX_BYTES + BatchLayout.bodyBytes(tag);
            require(itemEnd <= chunk.length, Errors.QueueItemsNotInFirstChunk());
            bytes32 domain = ITEM_DOMAIN;
            assembly ("memory-safe") {
                let preimage := mload(0x40)
                mstore(preimage, domain)
                mstore(add(preimage, 32), hash)
                mstore(add(preimage, 64), position)
                calldatacopy(add(preimage, 96), add(chunk.offset, offset), sub(itemEnd, offset))
                hash := keccak256(preimage, add(96, sub(itemEnd, offset)))
            }
            if (tag == BatchLayout.SET_PARAMETERS) ++parameterChanges;
            offset = itemEnd;
        }
        return (hash, offset, parameterChanges);
    }

    /// Build the claim tree over the end of the data.
    function _readBack(uint32 number, Batch storage appended, bytes calldata chunk) private {
        uint256 claims = appended.claims;
        require(claims * BatchLayout.CLAIM_BYTES <= chunk.length, Errors.ClaimsNotInLastChunk());
        appended.claimsRoot = ClaimTree.rootOf(number, chunk, claims);
    }

    /// The running data hash: from zero, each piece of 4,096 bytes (the last may be shorter) gives
    /// hash := Keccak(hash | piece). It depends on the data alone, not on how it was cut into chunks.
    function _hashPieces(bytes32 hash, bytes calldata chunk) private pure returns (bytes32) {
        for (uint256 offset = 0; offset < chunk.length; offset += BatchLayout.PIECE_BYTES) {
            uint256 size = chunk.length - offset;
            if (size > BatchLayout.PIECE_BYTES) size = BatchLayout.PIECE_BYTES;
            assembly ("memory-safe") {
                let preimage := mload(0x40)
                mstore(preimage, hash)
                calldatacopy(add(preimage, 32), add(chunk.offset, offset), size)
                hash := keccak256(preimage, add(32, size))
            }
        }
        return hash;
    }

    // ------------------------------------------------------------------------------------------------------- rest

    function _dropUnproved() private {
        sealedBatch = provedBatch;
        delete openBatch;
    }

    function _isOlderThan(uint48 time, uint32 window) private view returns (bool) {
        return block.timestamp > uint256(time) + window;
    }

    function _setSequencer(address sequencer_) internal {
        require(sequencer_ != address(0), Errors.AddressIsZero());
        sequencer = sequencer_;
    }
}
