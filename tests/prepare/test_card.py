"""The card of a prepared folder: right numbers, a head that the Hub accepts, nothing that breaks the page."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import DatasetCard

from medft_bm.core.types import SPLITS, ImageRef
from medft_bm.prepare.card import MOST_LABELS, card, escaped
from medft_bm.prepare.counts import count
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.stored import Kept


def row(image: int, label: str, size=(30, 40), spacing=None, modality="MR", split="train") -> Kept:
    mm = None if spacing is None else {"y": spacing[0], "x": spacing[1]}
    tags = {"modality": modality, "label": label}
    facts = {"size": {"h": size[0], "w": size[1]}, "spacing": mm, "truth": {}, "tags": tags}
    text = json.dumps(facts, separators=(",", ":"))
    entry = Entry("uid", 0, "detection", "organs", "P1", None, label, "", ImageRef("a.png"), text)
    return Kept(entry, split, image)


def made(rows: list[Kept], **changes) -> str:
    part = {"name": "organs", "task": "detection", "task_options": {"min_side_px": 4}, "source": "nifti_masks"}
    manifest = {"parts": [part], "summary": [], "samples": 3, "images": 2, "subjects": 1, "skipped": [], **changes}
    return card(manifest, count(1, rows))


def lines(text: str, title: str) -> list[str]:
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_sizes_are_counted_once_per_image_and_labels_per_question():
    text = made(
        [
            row(0, "liver", (30, 40), (0.5, 0.7)),
            row(0, "kidney", (30, 40), (0.5, 0.7)),
            row(1, "liver", (50, 44), (0.9, 0.8)),
            row(2, "liver", (90, 41), split="test"),
        ]
    )
    assert lines(text, "Images") == [
        "| organs | 3 | 30 / 50 / 90 | 40 / 41 / 44 | 0.5 / 0.5 / 0.9 | 0.7 / 0.7 / 0.8 | 1 | MR |"
    ]
    assert lines(text, "Labels") == ["| organs | liver | 2 | 0 | 1 |", "| organs | kidney | 1 | 0 | 0 |"]
    assert lines(text, "Tasks and their options") == [
        r"| organs | detection | nifti\_masks | min\_side\_px: 4 |",
    ]


def test_the_head_is_what_the_hub_accepts():
    facts = DatasetCard(made([row(0, "liver")], samples=12_000)).data
    assert facts.size_categories == ["10K<n<100K"]
    assert "object-detection" in facts.task_categories
    assert {"medical", "detection", "mr"} <= set(facts.tags)


def test_names_that_users_choose_cannot_break_the_page():
    name = "a|b\n# <script>alert(1)</script> [x](http://y) *z*"
    part = {"name": name, "task": "detection", "task_options": {}, "source": "s"}
    skipped = [{"part": name, "why": "`x`", "times": 2}]
    text = made([row(0, name)], parts=[part], skipped=skipped)
    assert "<script>" not in text.replace(r"\<script\>", "")
    assert lines(text, "Labels") == [f"| {escaped(name)} | {escaped(name)} | 1 | 0 | 0 |"]
    assert escaped("a|b\nc") == r"a\|b c"
    assert lines(text, "Left out") == [rf"| {escaped(name)} | \`x\` | 2 |"]


def test_many_labels_are_added_up():
    text = made([row(number, f"label {number:03d}") for number in range(MOST_LABELS + 5)])
    listed = lines(text, "Labels")
    assert len(listed) == MOST_LABELS + 1
    assert listed[-1] == "| organs | 5 others | 5 | 0 | 0 |"


def test_a_prepared_folder_says_how_many_it_holds_and_nobody_s_name(prepared):
    text = (prepared.folder / "README.md").read_text(encoding="utf-8")
    counts = [[int(cell) for cell in line.split("|")[3:6]] for line in lines(text, "Labels")]
    for column, split in enumerate(SPLITS):
        assert sum(row[column] for row in counts) == len(prepared.rows(split))
    assert len(lines(text, "Questions")) == len(prepared.summary())
    assert "P0000" not in text
    assert str(prepared.folder) not in text
    subjects = {name for split in SPLITS for name in prepared.rows(split)["subject"]}
    assert [name for name in subjects if name in text] == []


@pytest.mark.parametrize(("samples", "category"), [(999, "n<1K"), (1000, "1K<n<10K"), (20_000_000, "10M<n<100M")])
def test_the_size_is_named_as_the_hub_names_it(samples, category):
    assert DatasetCard(made([row(0, "a")], samples=samples)).data.size_categories == [category]
