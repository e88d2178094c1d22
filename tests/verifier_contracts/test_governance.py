"""What the governor does: after notice, in a closed list of actions, and never to balances or exits."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from prover.hash.keccak import keccak256
from rollup.transactions import ListGroup, ListSeries, SetParameters
from tests.rollup.workbench import make
from tests.verifier_contracts.vault_bench import (
    DAY,
    DOLLAR,
    LAST_KEYS,
    ORACLES,
    SETTINGS,
    START,
    STEP_KEYS,
    House,
    Key,
)

(
    LIST_GROUP, LIST_SERIES, SET_PARAMETERS, SET_ORACLES, SET_SEQUENCER, SET_GOVERNOR, SET_VERIFIER, SET_STEP_KEYS,
) = range(8)  # fmt: skip
TYPES: dict[int, list[str]] = {
    LIST_GROUP: ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"],
    LIST_SERIES: ["uint16", "uint32", "uint16"],
    SET_PARAMETERS: ["uint16", "uint16", "uint32"],
    SET_ORACLES: ["address[]", "uint8", "uint8"],
    SET_SEQUENCER: ["address"],
    SET_GOVERNOR: ["address"],
    SET_VERIFIER: ["address", "bytes32", "(uint256,uint256)[]"],
    SET_STEP_KEYS: ["uint16", "(uint256,uint256)[]"],
}
EXPIRY = START + 100 * DAY
TERMS = (10_000, DOLLAR, 10_000)
TIMELOCK = SETTINGS["timelock"]
NOBODY = "0x" + "00" * 20
LIFETIME = 14 * DAY


def announce(house: House, action: int, *values: Any) -> Any:
    """Propose and wait; bind the execution."""
    arguments = encode(TYPES[action], values)
    number = house.call("proposalCount")
    house.send(house.function("propose", action, arguments), house.governor)
    house.wait(TIMELOCK)
    return house.function("execute", number, action, arguments)


def refused(house: House, action: int, *values: Any) -> str:
    return house.refusal(announce(house, action, *values), house.governor)


def carried_out(house: House, action: int, *values: Any) -> Any:
    return house.send(announce(house, action, *values), house.governor)


# --------------------------------------------------------------------------------------------------------- notice


def test_an_action_waits_for_the_timelock_to_the_second(house: House) -> None:
    arguments = encode(TYPES[SET_SEQUENCER], [house.bob])
    proposed = house.now
    done = house.send(house.function("propose", SET_SEQUENCER, arguments), house.governor)
    ready = proposed + TIMELOCK
    assert house.events(done, "Proposed") == [
        {"proposal": 0, "action": SET_SEQUENCER, "arguments": arguments, "readyAt": ready}
    ]
    execute = house.function("execute", 0, SET_SEQUENCER, arguments)
    house.wait_until(ready - 1)
    assert house.refusal(execute, house.governor) == f"ProposalNotReady({ready})"
    house.wait_until(ready)
    done = house.send(execute, house.governor)
    assert house.events(done, "Executed") == [
        {"proposal": 0, "action": SET_SEQUENCER, "arguments": arguments}
    ]
    assert house.call("sequencer") == house.bob
    assert house.refusal(execute, house.governor) == "ProposalUnknown(0)"


def test_a_proposal_that_waited_too_long_is_void(house: House) -> None:
    execute = announce(house, SET_SEQUENCER, house.bob)
    ready = house.call("proposal", 0)[1]
    house.wait_until(ready + LIFETIME)
    assert house.refusal(execute, house.governor) == "accepted"
    house.wait(1)
    assert house.refusal(execute, house.governor) == f"ProposalExpired({ready + LIFETIME})"


def test_what_is_executed_is_what_was_announced(house: House) -> None:
    announce(house, SET_SEQUENCER, house.bob)
    for action, values in ((SET_SEQUENCER, [house.carol]), (SET_GOVERNOR, [house.bob])):
        execute = house.function("execute", 0, action, encode(TYPES[action], values))
        assert house.refusal(execute, house.governor) == "ProposalDiffers(0)"


def test_a_proposal_can_be_taken_back(house: House) -> None:
    execute = announce(house, SET_SEQUENCER, house.bob)
    done = house.send(house.function("cancel", 0), house.governor)
    assert house.events(done, "Cancelled") == [{"proposal": 0}]
    assert house.refusal(execute, house.governor) == "ProposalUnknown(0)"
    assert house.refusal(house.function("cancel", 0), house.governor) == "ProposalUnknown(0)"
    assert house.refusal(house.function("cancel", 5), house.governor) == "ProposalUnknown(5)"


def test_only_the_governor_governs(house: House) -> None:
    execute = announce(house, SET_SEQUENCER, house.bob)
    for function in (
        house.function("propose", SET_SEQUENCER, encode(["address"], [house.bob])),
        house.function("cancel", 0),
        execute,
    ):
        assert house.refusal(function, house.sequencer) == f"NotGovernor({house.sequencer.lower()})"


def test_the_list_of_actions_has_no_other_entry(house: House) -> None:
    refusal = house.refusal(house.function("propose", 8, b""), house.governor)
    assert refusal.startswith("not a custom error")


# ---------------------------------------------------------------------------------------------------- queue items


def test_listings_and_parameters_are_queued_as_the_rules_spell_them(house: House) -> None:
    house.deposit(house.alice)
    house.proved_batch()
    carried_out(house, LIST_GROUP, 7, 3, EXPIRY, *TERMS)
    carried_out(house, LIST_SERIES, 7, 9_999, 1)
    carried_out(house, SET_PARAMETERS, 65_535, 200, 1)
    assert [queued.item for queued in house.queue(1)] == [
        make(ListGroup, 7, 3, EXPIRY, *TERMS),
        make(ListSeries, 7, 9_999, 1),
        make(SetParameters, 65_535, 200, 1),
    ]


def test_a_batch_counts_the_parameters_that_it_sets(house: House) -> None:
    version = 14
    house.deposit(house.alice)
    house.proved_batch()
    carried_out(house, SET_PARAMETERS, 1, 2, 1)
    carried_out(house, LIST_GROUP, 7, 3, EXPIRY, *TERMS)
    house.publish(house.prepare(items=house.queue()[1:2]))
    house.publish(house.prepare())
    assert [house.call("statement", number)[version] for number in (1, 2, 3)] == [0, 1, 1]
    house.send(house.function("revertBatches"), house.sequencer)
    house.publish(house.prepare(items=()))
    assert house.call("statement", 2)[version] == 0
    house.publish(house.prepare())
    assert house.call("statement", 3)[version] == 1


@pytest.mark.parametrize(
    "terms",
    [
        (0, DOLLAR, 10_000),
        (1 << 24, 1, DOLLAR),
        (10_000, 0, 10_000),
        (10_000, DOLLAR, 0),
        (10_000, 3, 3),
        (10_000, DOLLAR, 429_497),
    ],
)
def test_group_terms_that_the_rules_refuse_are_refused_here(house: House, terms: tuple[int, ...]) -> None:
    assert refused(house, LIST_GROUP, 7, 3, EXPIRY, *terms) == "GroupTermsInvalid()"


def test_the_largest_terms_that_the_rules_take_are_taken(house: House) -> None:
    carried_out(house, LIST_GROUP, 7, 3, EXPIRY, (1 << 24) - 1, 256, DOLLAR)
    carried_out(house, LIST_GROUP, 8, 3, EXPIRY, 1, (1 << 32) - 1, DOLLAR)
    assert house.call("queueLength") == 2


def test_a_group_is_listed_once_and_before_it_expires(house: House) -> None:
    carried_out(house, LIST_GROUP, 7, 3, EXPIRY, *TERMS)
    assert refused(house, LIST_GROUP, 7, 4, EXPIRY + 1, *TERMS) == "GroupAlreadyListed(7)"
    soon = house.now + TIMELOCK
    assert refused(house, LIST_GROUP, 8, 4, soon, *TERMS) == f"GroupExpired({soon})"


def test_a_series_has_a_living_group_a_strike_inside_its_cap_and_a_kind(house: House) -> None:
    assert refused(house, LIST_SERIES, 7, 5, 0) == "GroupUnknown(7)"
    carried_out(house, LIST_GROUP, 7, 3, EXPIRY, *TERMS)
    assert refused(house, LIST_SERIES, 7, 0, 0) == "StrikeOutsideCap(0, 10000)"
    assert refused(house, LIST_SERIES, 7, 10_000, 0) == "StrikeOutsideCap(10000, 10000)"
    assert refused(house, LIST_SERIES, 7, 5, 2) == "OptionKindUnknown(2)"
    house.wait_until(EXPIRY)
    assert refused(house, LIST_SERIES, 7, 5, 0) == f"GroupExpired({EXPIRY})"


@pytest.mark.parametrize("treasury", [0, 2])
def test_the_treasury_is_an_account(house: House, treasury: int) -> None:
    house.deposit(house.alice)
    assert refused(house, SET_PARAMETERS, 1, 2, treasury) == f"TreasuryMissing({treasury})"


# ---------------------------------------------------------------------------------------------------------- roles


def test_the_governor_changes_after_notice(house: House) -> None:
    carried_out(house, SET_GOVERNOR, house.alice)
    assert house.call("governor") == house.alice


def key_hash(key: Key) -> bytes:
    return keccak256(encode(["uint256", "uint256"], key))


def test_a_verifier_its_circuit_and_its_last_steps_change_together(house: House) -> None:
    old, (gone, _), new = house.call("lastKeySet"), LAST_KEYS, (7, 8)
    assert house.call("isInKeySet", old, key_hash(gone))
    done = carried_out(house, SET_VERIFIER, house.carol, b"\7" * 32, [new])
    assert (house.call("verifier"), house.call("terminalKey")) == (house.carol, b"\7" * 32)
    current = house.call("lastKeySet")
    assert house.events(done, "VerifierSet") == [
        {"verifier": house.carol, "terminalKey": b"\7" * 32, "set": current, "lastKeys": [new]}
    ]
    assert [house.call("isInKeySet", current, key_hash(key)) for key in (new, gone)] == [True, False]


def test_the_keys_of_a_version_are_replaced_and_withdrawn_together(house: House) -> None:
    new = [(5, 6), (7, 8)]
    done = carried_out(house, SET_STEP_KEYS, 2, new)
    current = house.call("stepKeySet", 2)
    assert house.events(done, "StepKeysSet") == [{"version": 2, "set": current, "stepKeys": new}]
    assert all(house.call("isInKeySet", current, key_hash(key)) for key in new)
    assert not house.call("isInKeySet", current, key_hash(STEP_KEYS[0]))
    first = house.call("stepKeySet", 1)
    assert first not in (0, current, house.call("lastKeySet"))
    carried_out(house, SET_STEP_KEYS, 2, [])
    assert (house.call("stepKeySet", 1), house.call("stepKeySet", 2)) == (first, 0)
    # A set is not filled again: the next one is another.
    carried_out(house, SET_STEP_KEYS, 2, new[:1])
    again = house.call("stepKeySet", 2)
    assert again not in (0, first, current)
    assert not house.call("isInKeySet", again, key_hash(new[1]))


def test_no_key_is_spelled_like_an_unused_slot(house: House) -> None:
    assert refused(house, SET_STEP_KEYS, 2, [(5, 6), (0, 6)]) == "KeyIsZero()"
    assert refused(house, SET_VERIFIER, house.carol, b"\7" * 32, [(0, 0)]) == "KeyIsZero()"
    assert house.refused_deployment(stepKeys=[(0, 1)]) == "KeyIsZero()"


@pytest.mark.parametrize(
    ("action", "values"),
    [(SET_SEQUENCER, [NOBODY]), (SET_GOVERNOR, [NOBODY]), (SET_VERIFIER, [NOBODY, bytes(32), []])],
)
def test_no_role_goes_to_nobody(house: House, action: int, values: list[Any]) -> None:
    assert refused(house, action, *values) == "AddressIsZero()"


def test_oracles_change_after_notice(house: House) -> None:
    done = carried_out(house, SET_ORACLES, [house.alice], 1, 0)
    assert house.events(done, "OraclesSet") == [
        {"set": 2, "oracles": [house.alice], "threshold": 1, "faults": 0}
    ]
    assert [house.call("isOracle", each) for each in (house.alice, ORACLES[0].address)] == [True, False]
    assert (house.call("oracleSet"), house.call("oracleThreshold"), house.call("oracleCount")) == (2, 1, 1)


@pytest.mark.parametrize(
    ("count", "threshold", "faults"),
    [(0, 0, 0), (3, 2, 1), (3, 3, 1), (5, 4, 2), (33, 3, 1), (2, 3, 0), (255, 255, 0)],
)
def test_oracles_must_outvote_the_liars_and_do_without_the_silent(
    house: House, count: int, threshold: int, faults: int
) -> None:
    oracles = [to_checksum_address(index.to_bytes(20, "big")) for index in range(1, count + 1)]
    changed = {"oracles": oracles, "oracleThreshold": threshold, "oracleFaults": faults}
    assert house.refused_deployment(**changed) == "OraclesInvalid()"


def test_no_oracle_counts_twice_and_none_is_nobody(house: House) -> None:
    addresses = [oracle.address for oracle in ORACLES]
    for last in (addresses[0], NOBODY):
        assert house.refused_deployment(oracles=[*addresses[:4], last]) == "OraclesInvalid()"
    assert refused(house, SET_ORACLES, [*addresses[:4], addresses[3]], 3, 1) == "OraclesInvalid()"


# ----------------------------------------------------------------------------------------------------- deployment


def test_the_timelock_is_longer_than_window_and_exit(house: House) -> None:
    required = SETTINGS["queueWindow"] + SETTINGS["exitPeriod"]
    assert house.refused_deployment(timelock=required) == f"TimelockTooShort({required}, {required})"
    assert house.refused_deployment(timelock=required + 1) == "accepted"


@pytest.mark.parametrize("deadline", [0, SETTINGS["queueWindow"] + 1])
def test_a_proof_is_overdue_before_the_window_ends(house: House, deadline: int) -> None:
    assert house.refused_deployment(proofDeadline=deadline) == f"ProofDeadlineOutOfRange({deadline})"


def test_the_genesis_lies_in_the_past(house: House) -> None:
    later = house.now + 1
    assert house.refused_deployment(genesisTime=later) == f"GenesisInFuture({later})"


@pytest.mark.parametrize("role", ["governor", "sequencer", "verifier"])
def test_a_deployment_names_everyone(house: House, role: str) -> None:
    assert house.refused_deployment(**{role: NOBODY}) == "AddressIsZero()"


def test_a_deployment_begins_with_the_genesis_as_proved_batch_zero(house: House) -> None:
    genesis = house.call("batch", 0)
    assert (genesis[0], genesis[6], genesis[10]) == (SETTINGS["genesisRoot"], 0, SETTINGS["genesisTime"])
    assert (house.call("provedBatch"), house.call("sealedBatch"), house.call("queueLength")) == (0, 0, 0)
    for name in ("queueWindow", "proofDeadline", "exitPeriod", "timelock", "collectionPeriod"):
        assert house.call(name) == SETTINGS[name]
    for set_, keys in ((house.call("stepKeySet", 1), STEP_KEYS), (house.call("lastKeySet"), LAST_KEYS)):
        assert all(house.call("isInKeySet", set_, key_hash(key)) for key in keys)
    assert house.call("token") == house.token.address
