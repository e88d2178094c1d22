// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitDescription} from "./CircuitDescription.sol";
import {ConstraintTape} from "./ConstraintTape.sol";
import {Extension} from "./Extension.sol";
import {Folding} from "./Folding.sol";
import {IVerifier} from "./IVerifier.sol";
import {KeccakTree, Reading, Segment, Ways} from "./KeccakTree.sol";
import {Memory} from "./Memory.sol";
import {PublicMessages} from "./PublicMessages.sol";
import {Reason, demand} from "./StarkRefusal.sol";
import {Transcript, TranscriptHashing} from "./Transcript.sol";
import {WeightedRows} from "./WeightedRows.sol";

/// Verifies proofs of one circuit, whose description stands in the code of another contract.
///
/// The steps have the names of `prover/stark/verifier.py`, and they are taken in its order:
///   1 absorb the statement    2 receive the trace    3 receive the challenge rounds    4 receive the quotient
///   5 check the constraints out of the domain        6 receive the folds               7 check the queries
///
/// Every length follows from the description; the proof has none of its own.
contract StarkVerifier is IVerifier {
    using CircuitDescription for uint256;

    uint256 private constant NODE_BYTES = 26;
    uint256 private constant VALUE_BYTES = 20;
    uint256 private constant NONCE_BYTES = 8;

    /// What extended domains are shifted by, so that they miss the rows.
    uint256 private constant GENERATOR = 3;

    /// Most bytes of a description: the code of one contract (EIP-170), less its first byte.
    uint256 private constant MAX_DESCRIPTION_BYTES = 24_575;

    /// The contract whose code, behind its first byte, is the circuit's description.
    address public immutable circuit;

    /// Keccak-256 of the description: what to compare with the generated file.
    bytes32 public immutable circuitDigest;

    error DescriptionNotStored(uint256 length);

    /// One run of the verifier: where things are.
    struct Run {
        uint256 description;
        Transcript transcript;
        /// Registers of the tape, and the next one to fill.
        uint256 registers;
        uint256 filled;
        /// Places in the calldata: what is left to read of each kind.
        uint256 root;
        uint256 foldRoot;
        uint256 nonce;
        uint256 busSums;
        uint256 openings;
        uint256 finalPolynomial;
        Reading trees;
        /// Tables of roots of unity.
        uint256 roots;
        uint256 inverseRoots;
        uint256 point;
        /// The point, squared again and again, as far as it was needed.
        uint256 squares;
        uint256 squareCount;
        /// Where the registers of public values, of opened values, of claims and of batching powers begin.
        uint256 publics;
        uint256 opened;
        uint256 claims;
        uint256 powers;
        uint256 phaseRoots;
    }

    /// A fold as the transcript left it.
    struct Fold {
        uint256 logHeight;
        uint256 logArity;
        bool isMixed;
        uint256 root;
        uint256 challenge;
    }

    /// What enters the low-degree test at one height.
    struct Batch {
        uint256 logHeight;
        /// Four words a leaf: wide sums of the columns at the point, and at the next row's.
        uint256 sums;
        uint256 claim;
        uint256 nextClaim;
        bool hasNext;
    }

    /// A word of the low-degree test at the positions of the queries: one leaf for each that differs.
    struct Leaves {
        Ways ways;
        uint256 logSize;
        uint256 words;
        /// The points w^position, and their inverses.
        uint256 points;
        uint256 inverses;
    }

    /// Keep a circuit's description, as `prover/export` makes it.
    /// @dev Warning: whoever deploys this decides what is proved; compare `circuitDigest`.
    constructor(bytes memory description) {
        uint256 length = description.length;
        require(length != 0 && length <= MAX_DESCRIPTION_BYTES, DescriptionNotStored(length));
        // Ten bytes that return all that follows them: a byte that stops whoever calls it, and the description.
        bytes memory creation = bytes.concat(hex"61", bytes2(uint16(length + 1)), hex"80600a5f395ff300", description);
        address holder;
        assembly ("memory-safe") {
            holder := create(0, add(creation, 32), mload(creation))
        }
        require(holder != address(0), DescriptionNotStored(length));
        circuit = holder;
        circuitDigest = keccak256(description);
    }

    /// @inheritdoc IVerifier
    function verify(bytes32 terminalKey, uint256[] calldata statement, bytes calldata proof) external view {
        Run memory run = begin(terminalKey, proof);
        absorbTheStatement(run, statement);
        receiveTheTrace(run);
        receiveTheChallengeRounds(run);
        receiveTheQuotient(run);
        checkTheConstraintsOutOfTheDomain(run);
        Fold[] memory folds = receiveTheFolds(run);
        checkTheQueries(run, folds);
        demand(run.trees.cursor == run.trees.end, Reason.TrailingBytes);
    }

    /// Load the circuit and divide the proof into its parts.
    function begin(bytes32 terminalKey, bytes calldata proof) private view returns (Run memory run) {
        unchecked {
            uint256 d = CircuitDescription.load(circuit);
            run.description = d;
            // Soundness: the caller names the circuit. This contract knows one, and no proof of another is read by it.
            demand(uint256(terminalKey) == d.head(CircuitDescription.KEY_DIGEST), Reason.WrongKey);
            uint256 folds = d.head(CircuitDescription.FOLDS);
            uint256 start;
            assembly ("memory-safe") {
                start := proof.offset
            }
            run.root = start;
            run.foldRoot = run.root + NODE_BYTES * d.head(CircuitDescription.ROOTS);
            run.nonce = run.foldRoot + NODE_BYTES * folds;
            run.busSums = run.nonce + NONCE_BYTES * (d.head(CircuitDescription.ROUNDS) + folds + 4);
            run.openings = run.busSums + VALUE_BYTES * d.head(CircuitDescription.BUS_SUMS);
            run.finalPolynomial = run.openings + VALUE_BYTES * d.head(CircuitDescription.OPENED_VALUES);
            run.trees.cursor = run.finalPolynomial + (VALUE_BYTES << d.head(CircuitDescription.LOG_FINAL_LENGTH));
            run.trees.end = run.root + proof.length;
            demand(run.trees.cursor <= run.trees.end, Reason.Truncated);
            demand(areCanonical(run.busSums, run.trees.cursor), Reason.NonCanonicalElement);
            run.roots = Folding.rootTable(false);
            run.inverseRoots = Folding.rootTable(true);
            run.registers = Memory.allocate(d.head(CircuitDescription.REGISTERS));
            run.filled = run.registers;
            uint256 cursor = d + d.head(CircuitDescription.CONSTANT_LIST);
            for (uint256 k = d.head(CircuitDescription.CONSTANTS); k != 0; --k) {
                fill(run, cursor.number(4) << 204);
                cursor += 4;
            }
            for (uint256 exponent = 1; exponent < 5; ++exponent) {
                fill(run, Extension.ONE >> (51 * exponent));
            }
        }
    }

    /// Bind everything that was fixed before the prover spoke.
    function absorbTheStatement(Run memory run, uint256[] calldata statement) private pure {
        unchecked {
            uint256 d = run.description;
            // Soundness: this state has absorbed the key's digest, the parameters, the heights and the preprocessed root.
            run.transcript.state = bytes32(d.head(CircuitDescription.TRANSCRIPT_STATE));
            demand(statement.length == d.head(CircuitDescription.STATEMENT_WORDS), Reason.WrongStatementLength);
            run.publics = run.filled;
            (uint256 excess, uint256 length) =
                spread(statement, d + d.head(CircuitDescription.STATEMENT), run.filled);
            run.filled += 32 * d.head(CircuitDescription.PUBLIC_VALUES);
            demand(excess == 0, Reason.NonCanonicalStatement);
            run.transcript.absorbBuilt(TranscriptHashing.STATEMENT, length);
        }
    }

    /// Bind the main columns.
    function receiveTheTrace(Run memory run) private pure {
        run.phaseRoots = run.root;
        absorbRoot(run, TranscriptHashing.MAIN);
    }

    /// Draw each round's challenges, then bind its columns and, in the bus round, the claimed sums.
    function receiveTheChallengeRounds(Run memory run) private pure {
        unchecked {
            uint256 d = run.description;
            uint256 cursor = d + d.head(CircuitDescription.ROUND_LIST);
            uint256 count = d.head(CircuitDescription.BUS_SUMS);
            for (uint256 round = d.head(CircuitDescription.ROUNDS); round != 0; --round) {
                grind(
                    run,
                    TranscriptHashing.GRIND_CHALLENGE_ROUND,
                    CircuitDescription.GRINDING_CHALLENGE_ROUND,
                    Reason.GrindingMissingChallengeRound
                );
                for (uint256 draws = cursor.number(1); draws != 0; --draws) {
                    fill(run, run.transcript.drawExtension(TranscriptHashing.CHALLENGE_ROUND));
                }
                if ((cursor + 1).number(1) != 0) absorbRoot(run, TranscriptHashing.CHALLENGE_ROUND);
                if ((cursor + 2).number(1) != 0) {
                    run.transcript.absorb(TranscriptHashing.BUS_SUMS, run.busSums, VALUE_BYTES * count);
                }
                cursor += 3;
            }
            uint256 total;
            for (uint256 k = 0; k < count; ++k) {
                uint256 busSum = Extension.received(run.busSums + VALUE_BYTES * k);
                fill(run, busSum);
                total += busSum;
            }
            demand(Extension.reduced(total) == 0, Reason.BusSumsDoNotBalance);
        }
    }

    /// Draw the challenge that combines the constraints, then bind the quotient.
    function receiveTheQuotient(Run memory run) private pure {
        grind(
            run,
            TranscriptHashing.GRIND_CONSTRAINT,
            CircuitDescription.GRINDING_CONSTRAINT,
            Reason.GrindingMissingConstraint
        );
        uint256 combiner = run.transcript.drawExtension(TranscriptHashing.CONSTRAINT);
        fillPowers(run, combiner, run.description.head(CircuitDescription.COMBINERS));
        absorbRoot(run, TranscriptHashing.QUOTIENT);
    }

    /// Draw a point outside every domain and check each table's constraints against its quotient there.
    function checkTheConstraintsOutOfTheDomain(Run memory run) private pure {
        unchecked {
            uint256 d = run.description;
            grind(
                run,
                TranscriptHashing.GRIND_OUT_OF_DOMAIN,
                CircuitDescription.GRINDING_OUT_OF_DOMAIN,
                Reason.GrindingMissingOutOfDomain
            );
            run.point = run.transcript.drawExtension(TranscriptHashing.OUT_OF_DOMAIN);
            run.squares = Memory.allocate(Folding.TWO_ADICITY + 1);
            Memory.set(run.squares, 0, run.point);
            uint256 count = d.head(CircuitDescription.OPENED_VALUES);
            // Soundness: the values are bound before the batching challenge is drawn.
            // Otherwise they could be chosen so that their random combination fits.
            run.transcript.absorb(TranscriptHashing.OPENINGS, run.openings, VALUE_BYTES * count);
            fillHeights(run);
            fillPeriodic(run);
            fillFractions(run);
            run.opened = run.filled;
            for (uint256 k = 0; k < count; ++k) {
                fill(run, Extension.received(run.openings + VALUE_BYTES * k));
            }
            ConstraintTape.run(
                d + d.head(CircuitDescription.CONSTRAINT_TAPE),
                d + d.head(CircuitDescription.CLAIM_TAPE),
                run.registers
            );
            uint256 tables = d.head(CircuitDescription.TABLES);
            for (uint256 table = 0; table < tables; ++table) {
                demand(Memory.get(run.filled, table) == 0, Reason.ConstraintsDoNotHold);
            }
            run.claims = run.filled + 32 * tables;
            run.powers = run.claims + 64 * d.head(CircuitDescription.HEIGHTS);
        }
    }

    /// Draw the batching challenge, then bind each folded word and draw its challenge.
    function receiveTheFolds(Run memory run) private pure returns (Fold[] memory folds) {
        unchecked {
            uint256 d = run.description;
            grind(
                run,
                TranscriptHashing.GRIND_BATCHING,
                CircuitDescription.GRINDING_BATCHING,
                Reason.GrindingMissingBatching
            );
            uint256 batching = run.transcript.drawExtension(TranscriptHashing.BATCHING);
            run.filled = run.powers;
            fillPowers(run, batching, d.head(CircuitDescription.OPENED_VALUES));
            folds = new Fold[](d.head(CircuitDescription.FOLDS));
            uint256 cursor = d + d.head(CircuitDescription.FOLD_LIST);
            for (uint256 k = 0; k < folds.length; ++k) {
                Fold memory fold = folds[k];
                fold.logHeight = cursor.number(1);
                fold.logArity = (cursor + 1).number(1);
                fold.isMixed = (cursor + 2).number(1) != 0;
                fold.root = run.foldRoot + NODE_BYTES * k;
                run.transcript.absorb(TranscriptHashing.FOLD_ROOT, fold.root, NODE_BYTES);
                grind(
                    run,
                    TranscriptHashing.GRIND_FOLDING,
                    CircuitDescription.GRINDING_FOLDING,
                    Reason.GrindingMissingFolding
                );
                fold.challenge = run.transcript.drawExtension(TranscriptHashing.FOLDING);
                cursor += 3;
            }
            run.transcript.absorb(
                TranscriptHashing.FINAL_POLYNOMIAL,
                run.finalPolynomial,
                VALUE_BYTES << d.head(CircuitDescription.LOG_FINAL_LENGTH)
            );
        }
    }

    /// Draw random positions and check there that every step is the one before it, folded.
    function checkTheQueries(Run memory run, Fold[] memory folds) private pure {
        unchecked {
            // Soundness: grinding comes before the positions are drawn.
            // Afterwards it would cost the prover nothing to look for easy positions.
            grind(
                run, TranscriptHashing.GRIND_QUERY, CircuitDescription.GRINDING_QUERY, Reason.GrindingMissingQuery
            );
            Leaves memory leaves = drawPositions(run);
            Batch[] memory batches = makeBatches(run, leaves);
            checkPhases(run, leaves, batches);
            uint256 entered = 0;
            deepValues(run, batches[0], leaves, leaves.words);
            uint256 divisors = Folding.divisors(run.inverseRoots);
            for (uint256 k = 0; k < folds.length; ++k) {
                Fold memory fold = folds[k];
                checkFold(run, fold, leaves, divisors);
                if (!fold.isMixed) continue;
                // Soundness: the power continues where the fold's own powers of the challenge end.
                // The mixed word is then one more point of the same random curve.
                uint256 weight = Extension.raisedToTwoPower(fold.challenge, fold.logArity);
                entered += 1;
                uint256 mixed = Memory.allocate(leaves.ways.count);
                deepValues(run, batches[entered], leaves, mixed);
                for (uint256 leaf = 0; leaf < leaves.ways.count; ++leaf) {
                    uint256 added = Extension.product(weight, Memory.get(mixed, leaf));
                    Memory.set(leaves.words, leaf, Extension.sum(Memory.get(leaves.words, leaf), added));
                }
            }
            checkFinalPolynomial(run, leaves);
        }
    }

    // ------------------------------------------------------------------------------------------ parts of the steps

    function fill(Run memory run, uint256 value) private pure {
        unchecked {
            Memory.set(run.filled, 0, value);
            run.filled += 32;
        }
    }

    /// Fill registers with the powers of a challenge, from one on.
    function fillPowers(Run memory run, uint256 challenge, uint256 count) private pure {
        unchecked {
            uint256 map = Memory.allocate(Extension.MAP_BYTES / 32);
            Extension.writeMap(map, challenge);
            uint256 power = Extension.ONE;
            for (; count != 0; --count) {
                fill(run, power);
                power = Extension.mapped(map, power);
            }
        }
    }

    function absorbRoot(Run memory run, uint256 label) private pure {
        unchecked {
            run.transcript.absorb(label, run.root, NODE_BYTES);
            run.root += NODE_BYTES;
        }
    }

    function grind(Run memory run, uint256 label, uint256 bitsAt, Reason reason) private pure {
        unchecked {
            uint256 bits = run.description.head(bitsAt);
            demand(run.transcript.absorbNonce(label, run.nonce, bits), reason);
            run.nonce += NONCE_BYTES;
        }
    }

    /// Write the limbs of the statement's words as registers, and as the message that binds them behind the free memory
    /// pointer. Returns what no limb holds, zero if the words are canonical, and the length of the message.
    function spread(uint256[] calldata statement, uint256 limbList, uint256 values)
        private
        pure
        returns (uint256 excess, uint256 length)
    {
        assembly ("memory-safe") {
            let message := add(mload(0x40), 40)
            length := message
            let word := statement.offset
            for { let end := add(word, shl(5, statement.length)) } lt(word, end) { word := add(word, 32) } {
                let rest := calldataload(word)
                let bits := shr(240, mload(limbList))
                limbList := add(limbList, 2)
                let limbs := shr(8, bits)
                bits := and(bits, 0xff)
                if iszero(rest) {
                    // Registers are zero already; nothing stands behind the calldata, so this copies zeros.
                    calldatacopy(message, calldatasize(), shl(2, limbs))
                    values := add(values, shl(5, limbs))
                    message := add(message, shl(2, limbs))
                    continue
                }
                for { let mask := sub(shl(bits, 1), 1) } limbs { limbs := sub(limbs, 1) } {
                    mstore(values, shl(204, and(rest, mask)))
                    mstore(message, shl(224, and(rest, mask)))
                    // Soundness: each word has one spelling in limbs, and what is left of it must be nothing.
                    excess := or(excess, gt(and(rest, mask), 0x7f000000))
                    values := add(values, 32)
                    message := add(message, 4)
                    rest := shr(bits, rest)
                }
                excess := or(excess, rest)
            }
            length := sub(message, length)
        }
    }

    /// The point raised to two to a power.
    function raisedPoint(Run memory run, uint256 logExponent) private pure returns (uint256) {
        unchecked {
            while (run.squareCount < logExponent) {
                uint256 last = Memory.get(run.squares, run.squareCount);
                run.squareCount += 1;
                Memory.set(run.squares, run.squareCount, Extension.product(last, last));
            }
            return Memory.get(run.squares, logExponent);
        }
    }

    /// For each height: the point raised to it, the vanishing polynomial, and the selectors of the first row, the last
    /// row and the rows before the last.
    function fillHeights(Run memory run) private pure {
        unchecked {
            uint256 d = run.description;
            uint256 count = d.head(CircuitDescription.HEIGHTS);
            uint256 heights = d + d.head(CircuitDescription.HEIGHT_LIST);
            for (uint256 k = 0; k < count; ++k) {
                uint256 logHeight = (heights + k).number(1);
                uint256 raised = raisedPoint(run, logHeight);
                uint256 vanishing = Extension.lessBase(raised, 1);
                // Soundness: a point on a row is refused: any quotient would do there.
                demand(vanishing != 0, Reason.OutOfDomainPointInDomain);
                uint256 fromLast = Extension.lessBase(run.point, Memory.get(run.inverseRoots, logHeight));
                fill(run, raised);
                fill(run, vanishing);
                // The point is on no row, so it is neither on the first one nor on the last.
                fill(run, Extension.product(vanishing, Extension.inverse(Extension.lessBase(run.point, 1))));
                fill(run, Extension.product(vanishing, Extension.inverse(fromLast)));
                fill(run, fromLast);
            }
        }
    }

    /// Evaluate the periodic columns: each is a polynomial in a power of the point.
    function fillPeriodic(Run memory run) private pure {
        unchecked {
            uint256 d = run.description;
            uint256 cursor = d + d.head(CircuitDescription.PERIODIC_LIST);
            for (uint256 group = d.head(CircuitDescription.PERIODIC_GROUPS); group != 0; --group) {
                uint256 inner = raisedPoint(run, cursor.number(1));
                uint256 period = 1 << (cursor + 1).number(1);
                uint256 columns = (cursor + 2).number(2);
                uint256 words = WeightedRows.size(period);
                uint256 powers = Memory.allocate(words);
                uint256 power = Extension.ONE;
                for (uint256 k = 0; k < period; ++k) {
                    WeightedRows.set(powers, k, power);
                    power = Extension.product(power, inner);
                }
                cursor += 4;
                for (; columns != 0; --columns) {
                    // A short period's last word holds what stands behind it, which meets no weight.
                    (uint256 low, uint256 high) = WeightedRows.sum(cursor, powers, words);
                    fill(run, Extension.narrow(low, high));
                    cursor += 4 * period;
                }
            }
        }
    }

    /// Sum the fractions of the messages that hold the statement.
    function fillFractions(Run memory run) private pure {
        unchecked {
            uint256 d = run.description;
            uint256 count = d.head(CircuitDescription.MESSAGES);
            if (count == 0) return;
            uint256 challenges = run.registers + 32 * d.head(CircuitDescription.MESSAGE_CHALLENGES);
            (uint256 sum, uint256 product) = PublicMessages.fractions(
                run.publics,
                count,
                d.head(CircuitDescription.MESSAGE_TAG),
                Memory.get(challenges, 0),
                Memory.get(challenges, 1)
            );
            fill(run, sum);
            fill(run, product);
        }
    }

    /// Draw the positions and put them in the order in which the trees hold their leaves.
    function drawPositions(Run memory run) private pure returns (Leaves memory leaves) {
        unchecked {
            uint256 d = run.description;
            uint256 queries = d.head(CircuitDescription.QUERIES);
            uint256 logSize =
                (d + d.head(CircuitDescription.HEIGHT_LIST)).number(1) + d.head(CircuitDescription.LOG_BLOWUP);
            leaves.logSize = logSize;
            uint256 keys = Memory.allocate(queries);
            uint256 last = keys;
            for (uint256 query = 0; query < queries; ++query) {
                uint256 block_ = run.transcript.squeeze(TranscriptHashing.QUERY);
                uint256 key = reversed(block_ & ((1 << logSize) - 1), logSize);
                // Keys that are larger move up by one place.
                uint256 place = keys + 32 * query;
                for (; place != keys; place -= 32) {
                    uint256 before = Memory.get(place - 32, 0);
                    if (before <= key) break;
                    Memory.set(place, 0, before);
                }
                Memory.set(place, 0, key);
            }
            // The same position twice is one leaf.
            for (uint256 place = keys + 32; place < keys + 32 * queries; place += 32) {
                uint256 key = Memory.get(place, 0);
                if (key == Memory.get(last, 0)) continue;
                last += 32;
                Memory.set(last, 0, key);
            }
            uint256 count = (last - keys) / 32 + 1;
            leaves.ways.count = count;
            leaves.ways.keys = keys;
            leaves.ways.meetings = Memory.allocate(count);
            KeccakTree.meet(leaves.ways, logSize);
            leaves.words = Memory.allocate(count);
            leaves.points = Memory.allocate(count);
            leaves.inverses = Memory.allocate(count);
            uint256 table = Folding.powerTable(run.roots, logSize);
            for (uint256 leaf = 0; leaf < count; ++leaf) {
                uint256 position = reversed(Memory.get(keys, leaf), logSize);
                Memory.set(leaves.points, leaf, Folding.rootPower(table, position));
            }
            Folding.invertPoints(leaves.points, leaves.inverses, count);
        }
    }

    /// Combine the claimed values of each height, and make room for the sums of the opened rows.
    function makeBatches(Run memory run, Leaves memory leaves) private pure returns (Batch[] memory batches) {
        unchecked {
            uint256 d = run.description;
            ConstraintTape.run(
                d + d.head(CircuitDescription.CLAIM_TAPE), d + d.head(CircuitDescription.TAPE_END), run.registers
            );
            batches = new Batch[](d.head(CircuitDescription.HEIGHTS));
            for (uint256 k = 0; k < batches.length; ++k) {
                Batch memory batch = batches[k];
                batch.logHeight = (d + d.head(CircuitDescription.HEIGHT_LIST) + k).number(1);
                batch.sums = Memory.allocate(4 * leaves.ways.count);
                batch.claim = Memory.get(run.claims, 2 * k);
                batch.nextClaim = Memory.get(run.claims, 2 * k + 1);
            }
        }
    }

    /// Check the rows of every phase against its root.
    function checkPhases(Run memory run, Leaves memory leaves, Batch[] memory batches) private pure {
        unchecked {
            uint256 d = run.description;
            uint256 cursor = d + d.head(CircuitDescription.PHASE_LIST);
            for (uint256 phase = d.head(CircuitDescription.PHASES); phase != 0; --phase) {
                Reason reason = Reason(cursor.number(1));
                uint256 root = (cursor + 1).number(1);
                Segment[] memory segments = new Segment[]((cursor + 2).number(1));
                cursor += 3;
                for (uint256 k = 0; k < segments.length; ++k) {
                    cursor = readSegment(run, segments[k], batches, cursor);
                }
                if (root == CircuitDescription.NO_ROOT) {
                    root = d.head(CircuitDescription.PREPROCESSED_ROOT);
                } else {
                    root = sentNode(run.phaseRoots + NODE_BYTES * root);
                }
                Ways memory ways = KeccakTree.above(leaves.ways, leaves.logSize - segments[0].level);
                segments[0].reason = reason;
                KeccakTree.check(run.trees, segments, ways, root);
            }
        }
    }

    /// Read a segment of the description, with the weights of its columns.
    function readSegment(Run memory run, Segment memory segment, Batch[] memory batches, uint256 cursor)
        private
        pure
        returns (uint256)
    {
        unchecked {
            Batch memory batch = batches[(cursor + 1).number(1)];
            segment.level = cursor.number(1);
            segment.columns = (cursor + 2).number(2);
            segment.target = batch.sums;
            uint256 nextCount = (cursor + 4).number(2);
            cursor += 6;
            segment.weights = Memory.allocate(WeightedRows.size(segment.columns));
            for (uint256 k = 0; k < segment.columns; ++k) {
                WeightedRows.set(segment.weights, k, Memory.get(run.powers, cursor.number(2)));
                cursor += 2;
            }
            if (nextCount == 0) return cursor;
            batch.hasNext = true;
            segment.nextWeights = Memory.allocate(WeightedRows.size(segment.columns));
            for (; nextCount != 0; --nextCount) {
                uint256 power = Memory.get(run.powers, (cursor + 2).number(2));
                WeightedRows.set(segment.nextWeights, cursor.number(2), power);
                cursor += 4;
            }
            return cursor;
        }
    }

    /// The random combination of (value - column(x)) / (point - x) over all columns and points of one height.
    function deepValues(Run memory run, Batch memory batch, Leaves memory leaves, uint256 target) private pure {
        unchecked {
            uint256 count = leaves.ways.count;
            uint256 nextPoint = Extension.scaled(run.point, Memory.get(run.roots, batch.logHeight));
            uint256 sides = batch.hasNext ? 2 : 1;
            uint256 places = Memory.allocate(count);
            for (uint256 leaf = 0; leaf < count; ++leaf) {
                Memory.set(places, leaf, mulmod(Memory.get(leaves.points, leaf), GENERATOR, Extension.PRIME));
            }
            uint256 inverses = Memory.allocate(sides * count);
            bool misses = Extension.invertDifferences(run.point, places, count, inverses);
            if (sides == 2) {
                misses = Extension.invertDifferences(nextPoint, places, count, inverses + 32 * count) && misses;
            }
            demand(misses, Reason.OutOfDomainPointInDomain);
            uint256 sums = batch.sums;
            for (uint256 leaf = 0; leaf < count; ++leaf) {
                uint256 less = batch.claim + Extension.PRIMES - Extension.narrow(Memory.get(sums, 0), Memory.get(sums, 1));
                (uint256 first, uint256 second, uint256 third) = Extension.withProduct(0, 0, 0, less, Memory.get(inverses, leaf));
                if (sides == 2) {
                    less = batch.nextClaim + Extension.PRIMES - Extension.narrow(Memory.get(sums, 2), Memory.get(sums, 3));
                    (first, second, third) =
                        Extension.withProduct(first, second, third, less, Memory.get(inverses, count + leaf));
                }
                Memory.set(target, leaf, Extension.shortened(first, second, third));
                sums += 128;
            }
        }
    }

    /// Check a fold's rows against its root, each word against its row, and go on with the folded word.
    function checkFold(Run memory run, Fold memory fold, Leaves memory leaves, uint256 divisors) private pure {
        unchecked {
            uint256 arity = fold.logArity;
            uint256 logRows = leaves.logSize - arity;
            Ways memory rows = KeccakTree.above(leaves.ways, arity);
            Segment[] memory segments = new Segment[](1);
            Segment memory segment = segments[0];
            segment.level = logRows;
            segment.columns = 5 << arity;
            segment.target = Memory.allocate(rows.count);
            segment.reason = Reason.FoldRowNotInTree;
            KeccakTree.check(run.trees, segments, rows, sentNode(fold.root));
            uint256 maps = Memory.allocate(Extension.MAP_BYTES / 32 * arity);
            uint256 challenge = fold.challenge;
            for (uint256 k = 0; k < arity; ++k) {
                Extension.writeMap(maps + Extension.MAP_BYTES * k, challenge);
                challenge = Extension.product(challenge, challenge);
            }
            foldLeaves(leaves, segment.target, arity, maps, divisors);
            leaves.ways = rows;
            leaves.logSize = logRows;
        }
    }

    /// Compare every leaf's word with its row's, and put the folded rows in the place of the leaves.
    function foldLeaves(Leaves memory leaves, uint256 target, uint256 arity, uint256 maps, uint256 divisors)
        private
        pure
    {
        unchecked {
            uint256 words = leaves.words;
            uint256 points = leaves.points - words;
            uint256 inverses = leaves.inverses - words;
            uint256 toKeys = leaves.ways.keys - words;
            uint256 made = words;
            uint256 previous = type(uint256).max;
            uint256 cursor;
            for (uint256 end = words + 32 * leaves.ways.count; words < end; words += 32) {
                uint256 key = Memory.get(words + toKeys, 0);
                // The lowest bits of the key in opposite order.
                uint256 chosen = ((0x73516240 >> (4 * (key & ((1 << arity) - 1)))) & 7) >> (3 - arity);
                key >>= arity;
                bool isNew = key != previous;
                if (isNew) {
                    cursor = Memory.get(target, 0);
                    target += 32;
                    previous = key;
                }
                // Soundness: this ties each word to the one before it, and the first one to the opened rows.
                demand(
                    Extension.received(cursor + VALUE_BYTES * chosen) == Memory.get(words, 0), Reason.FoldInconsistent
                );
                if (!isNew) continue;
                // The first leaf of a row goes on for all of them; it is never behind the one that is overwritten.
                uint256 inverse = Memory.get(words + inverses, 0);
                uint256 first = mulmod(inverse, Folding.chosenRoot(divisors, arity, chosen), Extension.PRIME);
                Memory.set(made, 0, Folding.foldRow(cursor, arity, maps, first, divisors));
                (first, inverse) = Folding.raisedTogether(Memory.get(words + points, 0), inverse, arity);
                Memory.set(made + points, 0, first);
                Memory.set(made + inverses, 0, inverse);
                made += 32;
            }
        }
    }

    /// Check the last word against the polynomial that was sent.
    function checkFinalPolynomial(Run memory run, Leaves memory leaves) private pure {
        unchecked {
            uint256 count = 1 << run.description.head(CircuitDescription.LOG_FINAL_LENGTH);
            uint256 coefficients = Memory.allocate(2 * count);
            for (uint256 k = 0; k < count; ++k) {
                Extension.widen(coefficients + 64 * k, Extension.received(run.finalPolynomial + VALUE_BYTES * k));
            }
            for (uint256 leaf = 0; leaf < leaves.ways.count; ++leaf) {
                uint256 value = Folding.evaluate(coefficients, count, Memory.get(leaves.points, leaf));
                demand(value == Memory.get(leaves.words, leaf), Reason.FinalPolynomialMismatch);
            }
        }
    }

    /// Whether all elements between two places of the calldata are below the prime.
    function areCanonical(uint256 cursor, uint256 end) private pure returns (bool) {
        uint256 copy;
        assembly ("memory-safe") {
            copy := mload(0x40)
            calldatacopy(copy, cursor, sub(end, cursor))
            mstore(add(copy, sub(end, cursor)), 0)
        }
        unchecked {
            return WeightedRows.isCanonical(copy, (end - cursor + 31) / 32);
        }
    }

    function sentNode(uint256 cursor) private pure returns (uint256 node) {
        assembly ("memory-safe") {
            node := calldataload(cursor)
        }
    }

    /// The lowest bits of a value below 2^count in opposite order; there are at most 32.
    function reversed(uint256 value, uint256 count) private pure returns (uint256) {
        unchecked {
            value = ((value >> 1) & 0x55555555) | ((value & 0x55555555) << 1);
            value = ((value >> 2) & 0x33333333) | ((value & 0x33333333) << 2);
            value = ((value >> 4) & 0x0f0f0f0f) | ((value & 0x0f0f0f0f) << 4);
            value = ((value >> 8) & 0x00ff00ff) | ((value & 0x00ff00ff) << 8);
            value = (value >> 16) | ((value & 0xffff) << 16);
            return value >> (32 - count);
        }
    }
}
