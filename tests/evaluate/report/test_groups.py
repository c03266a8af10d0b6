from dataclasses import replace

import pytest

from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.groups import MOST, UNKNOWN, groupings
from medft_bm.evaluate.score import score_replies, summarise

DRAWS = {"resamples": 100, "seed": 0}
NAMES = [f"part {k}" for k in range(4)]


def of_part(items, part):
    return [item for item in items if item.part == part]


def answered(items, texts=None):
    texts = texts or [item.answer_text for item in items]
    return score_replies(items, [Reply(item.uid, text, 2, True) for item, text in zip(items, texts, strict=True)])


def tagged(item, **tags):
    return replace(item, sample=replace(item.sample, tags={**item.sample.tags, **tags}))


def one(found, by):
    (grouping,) = [each for each in found if each.by == by]
    return grouping


def test_the_mean_of_every_group_is_that_of_its_own_items(items):
    images = [tagged(item, site="B" if k % 3 else "A") for k, item in enumerate(of_part(items, 0))]
    right = {"A": "the reply names no class at all", "B": None}
    texts = [right[item.sample.tags["site"]] or item.answer_text for item in images]

    site = one(groupings({"base": answered(images, texts), "tuned": answered(images)}, NAMES, **DRAWS), "site")

    assert [group.name for group in site.groups] == ["B", "A"]  # largest first
    assert [group.results["base"].value for group in site.groups] == [1, 0]
    assert [group.results["tuned"].value for group in site.groups] == [1, 1]
    assert sum(group.n for group in site.groups) == len(images)
    subjects = {item.sample.subject for item in images if item.sample.tags["site"] == "A"}
    assert site.groups[1].subjects == len(subjects)
    assert site.groups[1].few
    assert site.answered == ["base", "tuned"]


def test_the_interval_of_a_class_is_that_of_its_recall(items):
    images = of_part(items, 0)
    scored = answered(images, ["no class", *(item.answer_text for item in images[1:])])

    by_label = one(groupings({"base": scored}, NAMES, **DRAWS), "label")

    metrics = {result.metric.name: result for result in summarise(scored, **DRAWS)[0].results}
    assert len(by_label.groups) > 1
    for group in by_label.groups:
        assert group.results["base"] == metrics[f"recall of {group.name}"].interval


def test_tags_that_do_not_vary_name_every_item_or_repeat_another_are_no_groups(items):
    images = [tagged(item, modality="CT", file=item.uid, twin=item.sample.tags["label"]) for item in of_part(items, 0)]

    found = {grouping.by for grouping in groupings({"base": answered(images)}, NAMES, **DRAWS)}

    assert "label" in found
    assert found.isdisjoint({"modality", "file", "twin"})


def test_items_without_a_tag_are_a_group_of_their_own(items):
    images = [tagged(item, site="A") if k % 2 else item for k, item in enumerate(of_part(items, 0))]

    site = one(groupings({"base": answered(images)}, NAMES, **DRAWS), "site")

    assert {group.name for group in site.groups} == {"A", UNKNOWN}


def test_sizes_make_three_groups_from_small_to_large(items):
    lengths = of_part(items, 3)
    texts = [str(2 * float(item.answer_text)) for item in lengths]  # off by its own length

    sizes = one(groupings({"base": answered(lengths, texts)}, NAMES, **DRAWS), "distance (mm)")

    errors = [group.results["base"].value for group in sizes.groups]
    assert [group.name.split(":")[0] for group in sizes.groups] == ["small", "middle", "large"]
    assert errors == sorted(errors)
    assert errors[0] < errors[2]


def test_a_group_without_a_value_has_none_and_many_groups_are_cut(items):
    image = of_part(items, 3)[0]
    many = [
        replace(tagged(image, site=f"s{k // 2:03d}"), uid=f"{k}", sample=tagged(image, site=f"s{k // 2:03d}").sample)
        for k in range(2 * MOST + 10)
    ]

    site = one(groupings({"base": answered(many, [""] * len(many))}, NAMES, **DRAWS), "site")

    assert len(site.groups) == MOST
    assert site.left_out == 5
    assert all(group.results == {} for group in site.groups)
    assert site.answered == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_items_have_no_groups_by_size_that_hold_nothing(items, count):
    found = groupings({"base": answered(of_part(items, 1)[:count])}, NAMES, **DRAWS)

    assert all(group.n for grouping in found for group in grouping.groups)
