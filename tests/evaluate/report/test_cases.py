import pytest

from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.cases import choose_cases
from medft_bm.evaluate.score import score_replies


def test_cases_run_from_best_to_worst_with_unanswered_ones_last(items):
    part = [item for item in items if item.part == 3]
    off = {item.uid: k for k, item in enumerate(part)}  # the k-th is k mm off, the last says nothing
    texts = [f"{float(item.answer_text) + off[item.uid]:.1f}" for item in part[:-1]] + [""]
    replies = [Reply(item.uid, text, 2, True) for item, text in zip(part, texts, strict=True)]

    cases = choose_cases(score_replies(part, replies), 3)[3]

    assert [off[case.scored.item.uid] for case in cases] == [0, round((len(part) - 1) / 2), len(part) - 1]
    assert [case.name.split(",")[0] for case in cases][::2] == ["best", "worst"]
    assert cases[-1].scored.score.values is None


def test_cases_do_not_depend_on_the_order_of_the_items(items):
    scored = score_replies(items, [Reply(item.uid, item.answer_text, 2, True) for item in items])

    forward, backward = choose_cases(scored, 12), choose_cases(scored[::-1], 12)

    assert forward == backward
    assert sum(len(cases) for cases in forward.values()) == 12
    assert len(forward) == 4


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (4, 4)])
def test_one_case_per_part_is_the_median(items, count, shown):
    scored = score_replies(items, [Reply(item.uid, "", 0, True) for item in items])

    cases = [case for part in choose_cases(scored, count).values() for case in part]

    assert len(cases) == shown
    assert all(case.name.startswith("median") for case in cases)
