// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";
import {ClearingHouse} from "./ClearingHouse.sol";
import {ExitErrors} from "./ExitErrors.sol";
import {ExitLeaves, TREE_DEPTH} from "./ExitLeaves.sol";
import {ExitPayoffs} from "./ExitPayoffs.sol";
import {ExitPrices} from "./ExitPrices.sol";
import {PoseidonTree} from "./PoseidonTree.sol";

/// The way out of a frozen clearing house, without anybody's help: everything is shown against the last proved root.
///
///     showGroup   anyone, once a group that positions are held in: its terms, and its price if it was fixed
///     takeCash    an owner, once: cash less requirement at once; the positions are kept as a hash
///     takeGroup   that owner, once a group: requirement plus payoff, as soon as the group's price is known
///     refund      whoever paid a deposit that no proved batch has served
///
/// Nothing is lost or made: lots of a series sum to zero until its group is fixed, afterwards the group's pool is the
/// payoffs still open, and cash and pools together are what the state is owed. So whatever the order and the prices, what
/// all accounts take is exactly what the vault holds for them; and no payment is ever negative.
contract Exits is ExitPrices {
    bytes32 private constant ITEM_DOMAIN = keccak256("options clearing rollup: queue item");

    /// What is kept of an account that has left.
    struct Departure {
        address owner;
        /// Keccak of its positions as it showed them; zero where it held none.
        bytes32 positions;
    }

    PoseidonTree public immutable tree;

    mapping(uint32 account => Departure) public departure;
    mapping(uint32 account => mapping(uint16 group => bool)) public isTaken;
    mapping(uint32 position => bool) public isRefunded;

    event GroupShown(uint16 indexed group, uint24 cap, uint32 tickValue, bool isFixed, uint24 price);
    event AccountLeft(
        uint32 indexed account, address indexed owner, address recipient, uint64 amount, uint64 requirement
    );
    event GroupTaken(
        uint32 indexed account, uint16 indexed group, address indexed owner, address recipient, uint64 amount
    );
    event DepositRefunded(uint32 indexed position, address indexed payer, address recipient, uint64 amount);

    /// @param house_ May be deployed later: it refuses exits that name another house.
    constructor(address house_) {
        house = ClearingHouse(house_);
        tree = new PoseidonTree();
    }

    /// Show a group's leaf: its terms are then known for everybody.
    function showGroup(ExitLeaves.Group calldata leaf, uint256[TREE_DEPTH] calldata path)
        external
        whenFrozen
    {
        // Validate.
        require(!terms[leaf.group].isProved, ExitErrors.GroupAlreadyProved(leaf.group));
        _requireRoot(ExitLeaves.rootOfGroup(tree, leaf, path));
        // Effects. A proved cap and price are whole ticks of 24 bits.
        terms[leaf.group] = ExitPayoffs.Terms(
            true, leaf.isFixed, uint24(leaf.cap), leaf.tickValue, uint24(leaf.price)
        );
        emit GroupShown(leaf.group, uint24(leaf.cap), leaf.tickValue, leaf.isFixed, uint24(leaf.price));
    }

    /// Show the caller's account and be paid its cash less what its positions may still cost.
    function takeCash(
        ExitLeaves.Account calldata leaf,
        uint256[TREE_DEPTH] calldata path,
        address recipient
    ) external whenFrozen {
        // Validate.
        require(departure[leaf.account].owner == address(0), ExitErrors.AlreadyLeft(leaf.account));
        // Soundness: the caller's address is hashed as the owner's, so another's leaf leads to another root.
        _requireRoot(ExitLeaves.rootOfAccount(tree, leaf, msg.sender, path));
        // Compute.
        uint256 requirement = _requirement(leaf.positions);
        require(leaf.cash >= requirement, ExitErrors.CashBelowRequirement(leaf.cash, requirement));
        uint64 amount = uint64(leaf.cash - requirement);
        // Effects.
        departure[leaf.account] =
            Departure(msg.sender, leaf.positions.length == 0 ? bytes32(0) : _hashOf(leaf.positions));
        emit AccountLeft(leaf.account, msg.sender, recipient, amount, uint64(requirement));
        // Interactions.
        _pay(recipient, amount);
    }

    /// Be paid what one group held back and what it came to; `positions` are all that the account left with.
    function takeGroup(uint32 account, uint16 group, uint256[] calldata positions, address recipient)
        external
        whenFrozen
    {
        // Validate.
        Departure memory left = departure[account];
        require(left.owner == msg.sender, ExitErrors.NotTheOwner(account, msg.sender));
        require(left.positions == _hashOf(positions), ExitErrors.PositionsDiffer(account));
        require(!isTaken[account][group], ExitErrors.GroupAlreadyTaken(account, group));
        // Compute.
        (bool isKnown, uint256 price) = priceOf(group);
        require(isKnown, ExitErrors.PriceUnknown(group));
        uint256[] calldata held = _ofGroup(positions, group);
        require(held.length != 0, ExitErrors.GroupNotHeld(account, group));
        ExitPayoffs.Terms memory shown = terms[group];
        int256 total =
            int256(ExitPayoffs.requirement(held, shown)) + ExitPayoffs.payoff(held, shown, price);
        // Soundness: the requirement is the worst of all payoffs; were it not, the cast would pay a fortune.
        assert(total >= 0);
        uint64 amount = uint64(uint256(total));
        // Effects.
        isTaken[account][group] = true;
        emit GroupTaken(account, group, msg.sender, recipient, amount);
        // Interactions.
        _pay(recipient, amount);
    }

    /// Be paid back a deposit of the caller's that waits in the queue for ever.
    /// Soundness: the queue's running hash binds position, kind, time, account, owner, payer and amount.
    function refund(uint32 position, uint32 account, address owner, uint64 amount, address recipient)
        external
        whenFrozen
    {
        // Validate.
        uint32 first = house.provedQueue();
        uint32 end = house.queueLength();
        // Soundness: a deposit that a proved batch has served stands in an account or in a claim.
        require(first <= position && position < end, ExitErrors.ItemNotWaiting(position, first, end));
        require(!isRefunded[position], ExitErrors.AlreadyRefunded(position));
        (bytes32 hash, uint48 time) = house.queueItem(position);
        bytes32 expected = keccak256(
            abi.encodePacked(
                ITEM_DOMAIN,
                house.queueHash(position),
                uint256(position),
                BatchLayout.DEPOSIT,
                time,
                account,
                owner,
                msg.sender,
                amount
            )
        );
        require(hash == expected, ExitErrors.NotThatDeposit(position));
        // Effects.
        isRefunded[position] = true;
        emit DepositRefunded(position, msg.sender, recipient, amount);
        // Interactions.
        _pay(recipient, amount);
    }

    /// What all groups of an account hold back.
    function _requirement(uint256[] calldata positions) private view returns (uint256 total) {
        ExitPayoffs.requireSorted(positions);
        uint256 start = 0;
        while (start < positions.length) {
            uint256 end = ExitPayoffs.endOfGroup(positions, start);
            uint16 group = ExitPayoffs.groupOf(positions[start]);
            ExitPayoffs.Terms memory shown = terms[group];
            require(shown.isProved, ExitErrors.GroupNotProved(group));
            total += ExitPayoffs.requirement(positions[start:end], shown);
            start = end;
        }
    }

    /// The positions of one group; none where the account holds none.
    function _ofGroup(uint256[] calldata positions, uint16 group) private pure returns (uint256[] calldata) {
        uint256 start = 0;
        while (start < positions.length && ExitPayoffs.groupOf(positions[start]) != group) ++start;
        uint256 end = start == positions.length ? start : ExitPayoffs.endOfGroup(positions, start);
        return positions[start:end];
    }

    function _hashOf(uint256[] calldata positions) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(positions));
    }

    /// Soundness: only the last proved root; what was sealed after it is the sequencer's word alone.
    function _requireRoot(uint256 root) private view {
        require(root == house.batch(house.provedBatch()).newRoot, ExitErrors.LeafNotProved());
    }

    function _pay(address recipient, uint64 amount) private {
        require(recipient != address(0) && recipient != address(this), ExitErrors.RecipientRefused(recipient));
        // Some tokens refuse to move nothing, and a refusal would keep the positions' hash from being stored.
        if (amount != 0) house.payExit(recipient, amount);
    }
}
