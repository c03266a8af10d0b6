from dataclasses import replace

from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.confusion import MOST, confusions
from medft_bm.evaluate.report.unread import REASONS, unread_replies
from medft_bm.evaluate.score import score_replies, summarise

NAMES = [f"part {k}" for k in range(4)]


def with_classes(items, classes, class_id):
    item = next(item for item in items if item.part == 0)
    return replace(item, sample=replace(item.sample, truth={"classes": classes, "class_id": class_id}))


def answered(items, texts):
    return score_replies(items, [Reply(item.uid, text, 2, True) for item, text in zip(items, texts, strict=True)])


def test_rows_are_the_truth_columns_the_reply_and_the_last_one_has_no_answer(items):
    classes = ["ape", "bee", "cat"]
    asked = [with_classes(items, classes, k) for k in (0, 0, 1, 2)]

    (table,) = confusions({0: {"base": answered(asked, ["ape", "cat", "bee", "?"])}}, NAMES)

    assert table.columns == (*classes, "no answer")
    assert [[cell.count for cell in row.cells] for row in table.rows] == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert [[cell.right for cell in row.cells].index(True) for row in table.rows] == [0, 1, 2]
    assert table.rows[0].cells[2].share == 50


def test_of_very_many_classes_the_most_frequent_have_rows_and_no_reply_is_lost(items):
    classes = [f"kind {k:03d}" for k in range(MOST + 5)]
    ids = [*range(MOST + 5), *range(5, MOST + 5)]  # the first five are the rarest
    asked = [with_classes(items, classes, k) for k in ids]
    texts = [classes[0]] * len(asked)

    (table,) = confusions({0: {"base": answered(asked, texts)}}, NAMES)

    assert table.left_out == 5
    assert [row.name for row in table.rows] == classes[5:]
    assert table.columns[-2:] == ("other classes", "no answer")
    assert all([cell.count for cell in row.cells][-2:] == [2, 0] for row in table.rows)
    assert [row.cells[k].right for k, row in enumerate(table.rows)] == [True] * MOST


def test_measurements_have_no_confusion(items):
    lengths = [item for item in items if item.part == 3]

    assert confusions({3: {"base": answered(lengths, ["1"] * len(lengths))}}, NAMES) == []


def test_every_unread_reply_is_counted_with_an_example_of_its_reason(evaluations, prepared):
    content = {who: of.scored for who, of in evaluations.items() if who != "baseline"}
    names = [part.name for part in prepared.parts]

    summaries = {who: summarise(of, resamples=100, seed=0) for who, of in content.items()}

    lines = unread_replies(content, summaries, names)

    unread = sum(one.score.values is None for of in content.values() for one in of)
    assert sum(line.count for line in lines) == unread > 0
    assert all(line.example for line in lines)
    assert [names.index(line.part) for line in lines] == sorted(names.index(line.part) for line in lines)


def test_rare_reasons_of_one_part_are_counted_together(items):
    asked = [items[0]] * (REASONS + 3)
    scored = [
        replace(one, score=replace(one.score, values=None, why=f"reason {k}"))
        for k, one in enumerate(answered(asked, ["?"] * len(asked)))
    ]

    lines = unread_replies({"base": scored}, {"base": summarise(scored, resamples=100, seed=0)}, NAMES)

    assert [line.count for line in lines] == [1] * REASONS + [3]
    assert lines[-1].reason == "other reasons"
