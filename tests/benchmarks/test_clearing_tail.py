"""What the slowest acknowledgements are put down to."""

from __future__ import annotations

from benchmarks.clearing_tail import NAMES, SpanMetrics, explained, part_of, slowest


def test_the_slowest_hundredth_is_found() -> None:
    orders = [(float(place), float(place), place + 0.001 * place) for place in range(300)]
    assert [due for due, _, _ in slowest(orders)] == [299.0, 298.0, 297.0]
    assert len(slowest(orders[:5])) == 1


def test_an_order_is_put_down_to_what_took_most_of_it() -> None:
    spans = [("journal_commit", 1.0, 1.06), ("batch_closing", 1.05, 1.07), ("fold", 5.0, 6.0)]
    assert part_of((1.0, 1.0, 1.07), spans) == "journal_commit"
    assert part_of((1.0, 1.05, 1.06), spans) == "generator"
    assert part_of((1.061, 1.061, 1.08), spans) == "batch_closing"
    assert part_of((2.0, 2.0, 2.5), spans) == "else"
    assert part_of((1.0, 1.0, 1.5), spans) == "else"


def test_the_tail_is_counted_by_cause_and_moment() -> None:
    slow = [(1.0, 1.0, 1.07), (1.0, 1.0, 1.06), (9.0, 9.0, 9.5)]
    told = explained(slow, [("journal_commit", 1.0, 1.06)])
    assert told == {"orders": 3, "moments": 2, "because_of": {NAMES["journal_commit"]: 2, NAMES["else"]: 1}}


def test_a_node_remembers_what_may_explain_a_tail() -> None:
    metrics = SpanMetrics()
    metrics.timing("journal_commit", 0.5)
    metrics.timing("journal_commit", 0.0001)
    metrics.timing("admission", 0.5)
    ((name, began, ended),) = metrics.spans
    assert name == "journal_commit"
    assert abs(ended - began - 0.5) < 1e-9
    assert sum(metrics.timings["journal_commit"].counts) == 2
