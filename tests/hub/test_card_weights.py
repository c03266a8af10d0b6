"""A card shows the numbers of the very weights that it is the card of, and no others."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tests.hub.made import Made, evaluate_made

from medft_bm.config.schema import Config
from medft_bm.hub.access import open_hub
from medft_bm.hub.gate_files import write_gate
from medft_bm.hub.outgoing import Outgoing
from medft_bm.hub.parcel import PLACE, packed
from medft_bm.hub.push import push_run
from medft_bm.models.content import digest_of
from medft_bm.train.merge import merge_adapter
from medft_bm.train.run import train_model

pytestmark = pytest.mark.hub

OTHER = "The last evaluation was of other weights than these"


@pytest.fixture
def copy(made, tmp_path, caplog) -> Made:
    """The finished run, in a folder that this test may change."""
    caplog.set_level(logging.INFO, "medft_bm")
    shutil.copytree(made.config.run.folder, run := tmp_path / "run")
    here = in_folder(made, run)
    pass_gate(here.adapter, here.merged)
    return here


def pass_gate(*folders: Path) -> None:
    """The gate has tests of its own."""
    for folder in folders:
        write_gate(folder, {"digest": digest_of(folder)})


def in_folder(made: Made, run, **train) -> Made:
    values = made.config.model_dump()
    values["run"]["folder"] = run
    values["train"] |= train
    values["hub"] |= {"lora_repo": "me/measures", "merged_repo": "me/measures-merged"}
    return Made(Config.model_validate(values), made.family, made.prepared, run / "adapter", run / "merged")


def pushed(made: Made, what, hub) -> ModelCard:
    """The card that is on the Hub after a push."""
    access = open_hub(made.config, (what,))
    outgoing = Outgoing(made.config, access.repositories, made.prepared, made.family)
    folder = made.adapter if what == "lora" else made.merged
    (done,) = push_run(access, made.config.run.folder, {what: folder}, [outgoing])
    return ModelCard(hub.repo(done.repository).tree("final")["README.md"].decode())


def has_numbers(card: ModelCard) -> bool:
    rows, head = "| accuracy |" in card.text, bool(card.data.eval_results)
    assert rows == head
    return rows


def test_weights_that_were_trained_further_lose_their_numbers_until_they_are_evaluated(copy, logged_in, caplog):
    assert has_numbers(pushed(copy, "lora", logged_in))
    assert has_numbers(pushed(copy, "merged", logged_in)), "it was made of the adapter that was evaluated"
    assert "no numbers" not in caplog.text

    longer = in_folder(copy, copy.config.run.folder, max_steps=3)
    train_model(longer.prepared, longer.family, longer.config)
    pass_gate(longer.adapter)
    card = pushed(longer, "lora", logged_in)
    assert not has_numbers(card)
    assert OTHER in card.text
    run = longer.config.run.folder
    assert f"no numbers on the card of me/measures: {OTHER}" in caplog.text
    assert f"`medft evaluate {run} --model adapter`" in caplog.text

    merge_adapter(
        longer.config.model.name, longer.adapter, longer.merged, longer.family, longer.prepared.items("test")[:2]
    )
    pass_gate(longer.merged)
    assert not has_numbers(pushed(longer, "merged", logged_in))
    assert f"`medft evaluate {run} --model merged`" in caplog.text
    evaluate_made(longer)
    assert has_numbers(pushed(longer, "merged", logged_in))


@pytest.mark.parametrize("files", [{}, {"tuned": []}], ids=["older version", "server"])
def test_numbers_of_weights_that_nobody_knows_are_left_out(copy, logged_in, caplog, files):
    path = copy.config.run.folder / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": files}))
    card = pushed(copy, "lora", logged_in)
    assert not has_numbers(card)
    assert "Its evaluation does not say which weights answered" in card.text
    assert "no numbers on the card of me/measures" in caplog.text


def test_a_report_of_the_model_before_alone_says_nothing_of_the_one_after(copy, logged_in, caplog):
    path = copy.config.run.folder / "report.json"
    report = json.loads(path.read_text())
    del report["results"]["tuned"]
    path.write_text(json.dumps(report))
    card = pushed(copy, "lora", logged_in)
    assert not has_numbers(card)
    assert "It has not been evaluated." in card.text
    assert "It has not been evaluated. Before you push again" in caplog.text


def test_the_card_of_a_checkpoint_has_no_numbers_and_a_training_is_not_told_so(copy, logged_in, caplog):
    access = open_hub(copy.config, ("lora",))
    outgoing = Outgoing(copy.config, access.repositories, copy.prepared, copy.family, training=True)
    with packed("lora", copy.adapter, copy.config.run.folder / PLACE, [outgoing]) as parcel:
        card = ModelCard((parcel.folder / "README.md").read_text())
    assert not has_numbers(card)
    assert "It has not been evaluated." in card.text
    assert "no numbers" not in caplog.text
