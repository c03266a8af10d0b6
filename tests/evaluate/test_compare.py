import pytest

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import Row, compare
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.charts import chart
from medft_bm.evaluate.report.words import (
    DEMO_NOTE,
    change_bounds,
    label,
    markdown_table,
    number,
    outcome,
    percent,
    text_table,
)
from medft_bm.evaluate.score import Result, score_replies
from medft_bm.metrics.aggregate import Interval
from medft_bm.metrics.paired import holm

NAMES = [f"part {k}" for k in range(5)]


def answered(items, text):
    return score_replies(items, [Reply(item.uid, text(item), 3, True) for item in items])


def off_by(millimetres):
    return lambda item: f"{float(item.answer_text) + millimetres:.1f}"


def row(metric=None, *, base=None, tuned=None, baseline=None, change=None, subjects=20) -> Row:
    metric = metric or Metric("error", "mm", higher_is_better=False, unscored=None)
    given = {"baseline": baseline, "base": base, "tuned": tuned}
    results = {who: Result(metric, interval, 5) for who, interval in given.items() if interval}
    return Row("a|b", "task", metric, True, 5, subjects, results, {"base": 0.5, "tuned": 0.996}, change)


def test_the_change_is_taken_on_items_that_have_a_value_before_and_after(items):
    part = [item for item in items if item.part == 3]
    silent = part[0].uid
    before = answered(part, lambda item: "" if item.uid == silent else off_by(5)(item))
    after = answered(part, lambda item: off_by(50)(item) if item.uid == silent else off_by(2)(item))

    rows = compare({"base": before, "tuned": after}, NAMES, resamples=200, seed=0)

    headline = rows[0]
    assert headline.change.value == pytest.approx(-3, abs=0.2)  # the item without a value before would add 50
    assert headline.value("tuned") > 5
    assert [one.headline for one in rows] == [True] + [False] * (len(rows) - 1)
    assert {one.n for one in rows} == {len(part)}


def test_the_change_is_tested_on_complete_pairs_and_headlines_are_adjusted_together(items):
    silent = next(item.uid for item in items if item.part == 3)

    def poor(item):
        if item.part == 3:
            return "" if item.uid == silent else off_by(9)(item)
        return "1, 1" if item.part == 2 else ""

    after = answered(items, lambda item: item.answer_text)
    found = compare({"base": answered(items, poor), "tuned": after}, NAMES, resamples=200, seed=0)

    rows = {row.part: row for row in found if row.headline}
    distance, classes = rows["part 3"], rows["part 0"]
    assert distance.paired.unpaired == 1
    assert distance.paired.n == distance.n - 1
    assert distance.paired.test == "Wilcoxon on patient means"
    assert classes.paired.test == "clustered McNemar"
    assert classes.paired.unpaired == 0  # an unreadable reply counts as 0 there
    assert distance.change == distance.paired.difference
    # Right instead of wrong in every patient: only one of all ways to flip them, and its mirror, goes as far.
    assert classes.paired.p == 2 / 2**classes.paired.subjects
    assert [row.paired.adjusted_p for row in rows.values()] == holm([row.paired.p for row in rows.values()])
    assert classes.paired.adjusted_p > classes.paired.p


def test_metrics_without_differences_have_no_test_and_only_headlines_are_adjusted(items):
    rows = compare({who: answered(items, lambda item: item.answer_text) for who in ("base", "tuned")}, NAMES,
                   resamples=100, seed=0)  # fmt: skip

    pooled = [row for row in rows if row.metric.name in ("balanced_accuracy", "median_absolute_error")]
    others = [row for row in rows if row.paired and not row.headline]
    assert len(pooled) == 3
    assert all(row.paired is row.change is row.detectable is None for row in pooled)
    assert others
    assert all(row.paired.adjusted_p is None for row in others)
    assert {row.paired.p for row in others} == {1.0}


def test_a_detectable_change_needs_two_models_and_a_spread(items):
    part = [item for item in items if item.part == 3]
    wrong = {item.uid: 3 + 2 * (k % 3) for k, item in enumerate(part)}
    before = answered(part, lambda item: off_by(wrong[item.uid])(item))
    after = answered(part, lambda item: item.answer_text)

    both = compare({"base": before, "tuned": after}, NAMES, resamples=100, seed=0)[0]
    alone = compare({"tuned": after}, NAMES, resamples=100, seed=0)[0]

    assert both.detectable > 0
    assert alone.detectable is alone.paired is None


def test_better_means_less_for_an_error_and_more_for_a_ratio():
    error = row(base=Interval(5, 4, 6), tuned=Interval(3, 2, 4), baseline=Interval(2, 1, 3))
    share = row(Metric("iou"), base=Interval(0.5, 0.4, 0.6), tuned=Interval(0.3, 0.2, 0.4))

    assert (error.beats("base"), error.beats("baseline")) == (True, False)
    assert (share.beats("base"), share.beats("baseline")) == (False, None)


@pytest.mark.parametrize(
    ("change", "subjects", "words"),
    [
        (Interval(-2, -3, -1), 20, "better"),
        (Interval(2, 1, 3), 20, "worse"),
        (Interval(-2, -3, 0.5), 20, "not settled"),
        (Interval(-2, -3, -1), 9, "under 10 subjects"),
        (Interval(-2, None, None), 20, "not settled"),
        (None, 20, "not settled"),
    ],
)
def test_a_change_is_called_better_or_worse_only_when_its_interval_says_so(change, subjects, words):
    assert outcome(row(change=change, subjects=subjects)) == words


def test_evaluations_of_other_items_cannot_be_compared(items):
    with pytest.raises(DataError, match="not of the same items"):
        compare(
            {"base": answered(items, lambda item: ""), "tuned": answered(items[1:], lambda item: "")},
            NAMES,
            resamples=10,
            seed=0,
        )


def test_numbers_carry_the_decimals_their_size_deserves():
    assert [number(value) for value in (None, 0.1234, 1.0, 1.234, 12.34, 1234.5, 1.5e7)] == [
        "–", "0.123", "1.000", "1.23", "12.3", "1234", "1.5e+07",
    ]  # fmt: skip
    assert number(3.21, like=12) == "3.2"


def test_a_share_is_never_rounded_to_all_or_nothing():
    assert [percent(share) for share in (0, 0.001, 0.5, 0.999, 1, None)] == ["0 %", "1 %", "50 %", "99 %", "100 %", "–"]


def test_a_label_says_unit_and_direction():
    assert label(Metric("absolute_error", "mm", higher_is_better=False)) == "absolute error (mm)\N{NO-BREAK SPACE}↓"
    assert label(Metric("iou")) == "iou\N{NO-BREAK SPACE}↑"


def test_the_terminal_table_aligns_its_columns_and_leaves_missing_cells_open():
    table = text_table([row(baseline=Interval(7.5, 6, 9), tuned=Interval(3.25, 2, 4))], notes=[DEMO_NOTE])

    note, head, rule, values, bounds, *_ = table.split("\n")
    assert "no" in note.lower()
    assert "medical value" in note
    for title, value, around in (("baseline", "7.50", "6.00–9.00"), ("after", "3.25", "2.00–4.00")):
        assert head.index(title) + len(title) == values.index(value) + len(value) == bounds.index(around) + len(around)
    assert values.split()[-3:] == ["50", "→", "99"] or values.endswith("50 → 99 %")
    assert head.index("before") + len("before") == values.index("–") + 1
    assert set(rule) == {"─", " "}


def test_the_markdown_table_has_one_cell_per_column_whatever_a_name_holds():
    lines = markdown_table([row(tuned=Interval(3.25, None, None), change=Interval(-2, -3, 1))]).split("\n")

    assert {line.replace("\\|", "").count("|") for line in lines} == {10}
    assert "**error (mm)" in lines[2]
    assert "−2.00 (−3.00 to +1.00)" in lines[2]
    assert "| 3.25 |" in lines[2]


def test_change_bounds_carry_signs():
    assert change_bounds(Interval(-0.5, -0.75, 0.25)) == "−0.750 to +0.250"
    assert change_bounds(Interval(1, None, None)) == ""


def test_bars_of_a_share_end_at_one():
    drawn = chart(row(Metric("iou"), base=Interval(0.25, 0.125, 0.5), tuned=Interval(0.75, None, None)))

    assert drawn.end == "1"
    assert [(bar.width, bar.low, bar.high) for bar in drawn.bars] == [(25, 12.5, 50), (75, None, None)]


def test_one_absurd_mean_does_not_press_the_other_bars_flat():
    drawn = chart(row(baseline=Interval(10, 8, 12), base=Interval(9e5, 1e3, 2e6), tuned=Interval(3, 2, 4)))

    baseline, before, after = drawn.bars
    assert before.beyond
    assert before.width == 100
    assert baseline.width > 15
    assert not after.beyond


@pytest.mark.parametrize("tuned", [Interval(0, 0, 0), Interval(0.004, 0.001, 0.009)])
def test_an_axis_exists_for_tiny_and_zero_errors(tuned):
    drawn = chart(row(tuned=tuned))

    assert float(drawn.end) > 0
    assert 0 <= drawn.bars[0].width <= 100


def test_a_part_without_a_score_has_an_empty_bar():
    metric = Metric("error", "mm", higher_is_better=False, unscored=None)
    nothing = Row("a", "t", metric, True, 5, 2, {"base": Result(metric, None, 0)}, {"base": 0.0}, None)

    assert chart(nothing).bars[0].width is None
    assert chart(nothing).bars[0].value == "–"
