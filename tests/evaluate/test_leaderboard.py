import json
from html.parser import HTMLParser

import pytest

from medft_bm.config.evaluation import Fake
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Metric
from medft_bm.evaluate.backends.fake import FakeModel
from medft_bm.evaluate.leaderboard.board import rank
from medft_bm.evaluate.leaderboard.entries import Answer, Entry, read_entries
from medft_bm.evaluate.leaderboard.page import board_json, board_markdown, board_text, write_leaderboard
from medft_bm.evaluate.run import evaluate_run

LENGTH = Metric("error", "mm", higher_is_better=False, unscored=None)
IOU = Metric("iou")


@pytest.fixture(scope="module")
def runs(prepared, config, items, tmp_path_factory):
    """Two evaluated runs, as ``medft evaluate`` leaves them; the second was asked fewer questions before."""
    folder = tmp_path_factory.mktemp("runs")
    answers = {item.uid: item.answer_text for item in items}
    for run, which, right, limit in (
        ("good", "base", 0.1, None),
        ("good", "tuned", 1.0, None),
        ("poor", "base", 0.0, 20),
        ("poor", "tuned", 0.3, None),
    ):
        asked = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"limit": limit})})
        evaluate_run(prepared, asked, which, FakeModel(answers, Fake(right=right, near=0)), folder / run / "evaluation")
    return folder


def entry(name, values, metric=LENGTH, *, demo=False, subject=lambda k: f"s{k}", about=None):
    answers = {
        f"u{k}": Answer("part", subject(k), None if value is None else {metric.name: value})
        for k, value in enumerate(values)
    }
    return Entry(name, None, demo, about or {}, {"part": metric}, answers)


def test_what_evaluations_left_is_ranked_on_the_questions_all_were_asked(runs, items):
    board = rank(read_entries([runs / "good", runs / "poor"]))

    assert [one.name for one in board.entries] == [
        "good before (fake)", "good after (fake)", "poor before (fake)", "poor after (fake)",
    ]  # fmt: skip
    assert board.common == 20 < len(items)
    assert board.left_out["poor before (fake)"] == 0
    assert board.left_out["good after (fake)"] == len(items) - 20
    assert [ranking.part[-1] for ranking in board.rankings] == ["0", "1", "2", "3"]  # the order of the mix
    assert sum(ranking.n for ranking in board.rankings) == 20
    for ranking in board.rankings:
        always_right = next(line for line in ranking.lines if line.name == "good after (fake)")
        assert always_right.parse_rate == 1
        # Where silence counts as 0; an error is only known of those who answer, who may be right by rounding.
        assert ranking.metric.unscored is None or ranking.lines[0] == always_right
    assert board.demo


def test_the_numbers_are_those_of_the_report(runs):
    own = json.loads((runs / "good/evaluation/tuned/scores.json").read_text())

    board = rank(read_entries([runs / "good"]))

    for ranking, part in zip(board.rankings, own["parts"], strict=True):
        interval = next(line.interval for line in ranking.lines if line.name == "good after (fake)")
        assert interval.value == pytest.approx(next(iter(part["metrics"].values()))["value"])


def test_one_state_a_folder_of_evaluations_or_one_evaluation_may_be_given(runs, tmp_path):
    copied = tmp_path / "from the cluster"
    copied.mkdir()
    (copied / "scores.json").write_bytes((runs / "poor/evaluation/tuned/scores.json").read_bytes())

    def names(*folders, which=None):
        return [one.name.removesuffix(" (fake)") for one in read_entries(folders, which)]

    assert names(runs / "good", runs / "poor", which="tuned") == ["good after", "poor after"]
    assert names(runs / "good/evaluation") == ["good before", "good after"]
    assert names(runs / "good/evaluation/base", copied) == ["good before", "from the cluster"]
    assert names(runs / "good", runs / "good/evaluation/base") == ["good before", "good after"]


def test_runs_of_one_name_are_told_apart_by_their_folders(runs, tmp_path):
    for place in ("a", "b"):
        folder = tmp_path / place / "run" / "evaluation" / "tuned"
        folder.mkdir(parents=True)
        (folder / "scores.json").write_bytes((runs / "good/evaluation/tuned/scores.json").read_bytes())

    entries = read_entries([tmp_path / "a" / "run", tmp_path / "b" / "run", runs / "good"], "tuned")

    assert [one.name for one in entries] == ["a/run after (fake)", "b/run after (fake)", "good after (fake)"]


def test_two_evaluations_never_go_by_one_name(runs):
    moved = runs / "good" / "base"
    moved.mkdir()
    (moved / "scores.json").write_bytes((runs / "poor/evaluation/base/scores.json").read_bytes())

    entries = read_entries([runs / "good", moved], "base")

    assert len({one.name for one in entries}) == 2
    assert {line.name for ranking in rank(entries).rankings for line in ranking.lines} == {one.name for one in entries}


def test_what_cannot_be_read_is_said_with_its_place(runs, tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        read_entries([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="nothing has been evaluated"):
        read_entries([tmp_path])
    broken = tmp_path / "evaluation" / "base" / "scores.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(DataError, match="cannot be read") as error:
        read_entries([tmp_path])
    assert error.value.where == str(broken)
    with pytest.raises(DataError, match="no tuned model"):
        read_entries([tmp_path], "tuned")
    old = json.loads((runs / "good/evaluation/base/scores.json").read_text())
    for metrics in (part["metrics"] for part in old["parts"]):
        for facts in metrics.values():
            del facts["unscored"]
    broken.write_text(json.dumps(old))
    with pytest.raises(DataError, match="earlier version"):
        read_entries([tmp_path])


def test_the_best_is_the_lowest_error_and_the_highest_overlap_and_no_value_is_last():
    errors = rank([entry("a", [5.0, 6, 7]), entry("none", [None] * 3), entry("b", [1.0, 2, 3])])
    overlaps = rank([entry("a", [0.5, 0.6], IOU), entry("none", [None] * 2, IOU), entry("b", [0.1, 0.2], IOU)])

    assert [(line.rank, line.name) for line in errors.rankings[0].lines] == [(1, "b"), (2, "a"), (None, "none")]
    assert errors.rankings[0].lines[2].paired is None
    assert [(line.rank, line.name) for line in overlaps.rankings[0].lines] == [(1, "a"), (2, "b"), (3, "none")]
    assert overlaps.rankings[0].lines[2].interval.value == 0  # an unreadable reply is no overlap


def test_equal_values_share_a_rank():
    board = rank([entry("c", [1.0, 2, 3]), entry("b", [1.0, 2, 3]), entry("a", [4.0, 5, 6])])

    assert [(line.rank, line.name) for line in board.rankings[0].lines] == [(1, "b"), (1, "c"), (3, "a")]
    assert "not told apart" in board_markdown(board) or "under 10 subjects" in board_markdown(board)


def test_differences_are_to_the_best_by_complete_pairs_and_adjusted_over_all():
    best, other = [1.0 + 0.1 * k for k in range(14)], [3.0 + 0.2 * k for k in range(14)]
    board = rank([entry("other", [None, *other[1:]]), entry("best", best), entry("same", [b + 0.01 for b in best])])

    first, same, last = board.rankings[0].lines
    assert (first.name, first.paired, first.apart) == ("best", None, False)
    assert (last.name, last.n, last.paired.n, last.paired.unpaired) == ("other", 13, 13, 1)
    assert last.paired.difference.value == pytest.approx(
        sum(b - a for a, b in zip(best, other, strict=True)) / 14, rel=0.1
    )
    assert last.paired.adjusted_p == pytest.approx(max(2 * same.paired.p, last.paired.p))
    assert last.apart
    assert board.tests == 2


def test_with_few_patients_nothing_is_told_apart():
    board = rank([entry(name, [start + k / 9 for k in range(40)], subject=lambda k: f"s{k % 9}")
                  for name, start in (("a", 1.0), ("b", 50.0))])  # fmt: skip

    line = board.rankings[0].lines[1]
    assert line.few
    assert not line.apart
    assert "under 10 subjects" in board_text(board)


def test_evaluations_without_a_common_question_or_of_other_metrics_are_refused():
    first = entry("first", [1.0, 2.0])
    strange = Entry("strange", None, False, {}, {"part": LENGTH}, {"x": Answer("part", "s", None)})

    with pytest.raises(DataError, match="no question was asked of all"):
        rank([first, strange])
    with pytest.raises(DataError, match="measured by error in first and by iou in second"):
        rank([first, entry("second", [0.5, 0.5], IOU)])
    with pytest.raises(DataError, match="nothing to compare"):
        rank([first])


class Page(HTMLParser):
    """What a browser would load or show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text, self.sortable = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.tags.append(tag)
        self.links += [value for name, value in facts.items() if name in ("src", "href")]
        self.sortable += [facts["data-sort"]] if "data-sort" in facts else []

    def handle_data(self, data):
        self.text += data


def test_the_page_stands_alone_escapes_names_and_says_what_is_a_demo(tmp_path):
    evil = "<script>alert(1)</script> a|b"
    board = rank([entry(evil, [1.0, 2, 4], demo=True, about={"model": "/home/me/secret/model", "split": "test"}),
                  entry("plain", [2.0, 3, 9], about={"fake": True})])  # fmt: skip

    html = write_leaderboard(board, tmp_path).read_text(encoding="utf-8")

    page = Page(html)
    assert "<script>alert" not in html
    assert page.tags.count("script") == 1
    assert evil in page.text
    assert all(link.startswith("#") for link in page.links)
    assert page.sortable.count("text") == 1
    assert page.sortable.count("number") == 5
    for text in (html, *((tmp_path / f"leaderboard.{kind}").read_text(encoding="utf-8") for kind in ("md", "json"))):
        assert "any medical value" in text
        assert "replies were made up" in text
        assert "/home/me" not in text


def test_markdown_has_one_cell_per_column_and_json_holds_every_number():
    board = rank([entry("a|b", [1.0, 2, 4]), entry("c", [2.0, 3, 9]), entry("none", [None] * 3)])

    rows = [line for line in board_markdown(board).split("\n") if line.startswith("|")]
    content = json.loads(board_json(board))

    assert {row.replace("\\|", "").count("|") for row in rows} == {9}
    lines = content["parts"][0]["lines"]
    assert [line["name"] for line in lines] == ["a|b", "c", "none"]
    assert lines[1]["paired"]["difference"]["value"] == pytest.approx(7 / 3)
    assert lines[2]["interval"] is None
    assert content["left_out"] == {"a|b": 0, "c": 0, "none": 0}
