"""What TensorBoard and Weights & Biases are told, read back from what their real clients wrote."""

from __future__ import annotations

import getpass
import socket
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from transformers import TrainerCallback

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.core.types import Score
from medft_bm.train.gallery import Gallery
from medft_bm.train.run import train_model
from medft_bm.train.trackers import RUN_ID, Shown, TensorBoard, Wandb, trackers_for

SALT = "never to be told"


@pytest.fixture
def offline(monkeypatch):
    """The real client, which writes what it would send into a file."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789012345678901234567890123456789")
    return wandb


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def state(step=0, *, first=True):
    return SimpleNamespace(is_world_process_zero=first, is_hyper_param_search=False, global_step=step, trial_name=None)


def settings(**sections):
    config = {"data": {"mix": [{"task": "detection", "source": "phantom"}], "salt": SALT}, "model": {"name": "x/y"}}
    return Config.model_validate({**config, **sections})


def test_a_training_tells_both_trackers_its_curves_and_neither_of_them_secrets_or_places(
    checkpoint, family, prepared, helpers, tmp_path, offline
):
    if family.name != "gemma3":
        pytest.skip("nothing in it depends on the family")
    run = tmp_path / "seven"
    config = helpers.config(checkpoint, run, report_to=["tensorboard", "wandb"])
    data = config.data.model_copy(update={"salt": SALT})
    config = config.model_copy(update={"data": data, "wandb": config.wandb.model_copy(update={"tags": ["trial"]})})

    train_model(prepared, family, config)
    offline.teardown()

    board = events(run / "logs")
    assert {"train/loss", "train/samples_per_second", "train/loss/bars", "eval/loss"} <= set(board.Tags()["scalars"])
    assert [event.step for event in board.Scalars("train/loss")] == [1, 2]
    assert offline.run is None  # another training in this process would have a run of its own
    (kept,) = (run / "wandb").glob("offline-run-*/run-*.wandb")
    assert kept.name == f"run-{(run / RUN_ID).read_text().strip()}.wandb"
    logs = [path.read_bytes() for path in (run / "logs").iterdir()]
    sent = kept.read_bytes()
    for word in (b"train/loss", b"eval/loss", b"trial", b"seven", b"max_new_tokens"):
        assert word in sent, word
    for word in (SALT, str(tmp_path), str(checkpoint.parent), "0123456789"):
        assert all(word.encode() not in content for content in (sent, *logs)), word
    for word in (socket.gethostname(), f"/{getpass.getuser()}", "python3"):
        assert word.encode() not in sent, word


def test_a_training_that_fails_ends_its_run_as_failed(checkpoint, family, prepared, helpers, tmp_path, offline):
    if family.name != "gemma3":
        pytest.skip("nothing in it depends on the family")
    config = helpers.config(checkpoint, tmp_path / "run", report_to=["wandb"])
    runs = []

    class Fails(TrainerCallback):
        def on_step_end(self, *_, **__):
            runs.append(offline.run)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_model(prepared, family, config, trackers=[*trackers_for(config), Fails()])

    assert offline.run is None
    assert [run._exit_code for run in runs] == [1]


def test_a_run_that_goes_on_keeps_its_identity(tmp_path, offline):
    ids = []
    for _ in range(2):
        tracker = Wandb(settings().wandb, tmp_path, {})
        tracker.setup(None, state(), None)
        ids.append(offline.run.id)
        offline.finish()
    assert ids[0] == ids[1] == (tmp_path / RUN_ID).read_text().strip()
    named = Wandb(settings(wandb={"id": "mine"}).wandb, tmp_path, {})
    named.setup(None, state(), None)
    assert offline.run.id == "mine"
    offline.finish()


def test_other_processes_start_no_run(tmp_path, offline):
    Wandb(settings().wandb, tmp_path, {}).setup(None, state(first=False), None)
    TensorBoard(tmp_path / "logs", {}).on_train_begin(None, state(first=False), None)
    assert offline.run is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_start_is_one_clear_message(tmp_path, offline):
    tracker = Wandb(settings(wandb={"id": "a/b"}).wandb, tmp_path, {})
    with pytest.raises(MedftError, match="Weights & Biases") as refused:
        tracker.setup(None, state(), None)
    assert "WANDB_MODE=offline" in refused.value.fix


@pytest.mark.parametrize("name", ["all", "wandbb"])
def test_only_trackers_that_are_named_are_told_anything(name):
    with pytest.raises(ConfigError, match=f"'{name}' is no tracker"):
        trackers_for(settings(train={"report_to": name}))
    assert trackers_for(settings(train={"report_to": "none"})) == []
    assert trackers_for(settings(train={"report_to": "mlflow"})) == []


def test_tensorboard_forgets_the_steps_that_are_trained_again(tmp_path):
    for start, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        board = TensorBoard(tmp_path, {"model": {"name": "x/y"}})
        board.on_train_begin(None, state(start), None)
        for step in steps:
            board.on_log(None, state(step), None, logs={"loss": float(step + start)})
        board.on_train_end(None, state(steps[-1]), None)
    read = events(tmp_path)
    assert [(event.step, event.value) for event in read.Scalars("train/loss")] == [(1, 1), (2, 2), (3, 5), (4, 6)]
    assert b"x/y" in read.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def cases(count):
    """Items, replies and scores as the judge hands them on."""
    task = SimpleNamespace(name="lesion_size")
    items = [
        SimpleNamespace(task=task, prompt_text=f"How long is lesion {n}?", answer_text="12.5") for n in range(count)
    ]
    replies = [SimpleNamespace(text=f"{n} mm") for n in range(count)]
    scores = [Score({"error_mm": n / 4}) if n else Score(None, why="no number in the reply") for n in range(count)]
    return items, replies, scores


def drawn(_item, reply, _score):
    return Image.new("RGB", (8, 6), (10 * int(reply.split()[0]), 0, 0))


def test_the_same_cases_are_drawn_at_every_step_and_read_back_from_tensorboard(tmp_path):
    board = TensorBoard(tmp_path, {})
    board.on_train_begin(None, state(), None)
    gallery = Gallery(drawn, 3, [board])
    for step in (2, 4):
        gallery.on_replies(step, *cases(9))
    board.on_train_end(None, state(4), None)
    gallery.on_replies(5, *cases(9))  # the evaluation after the last step
    read = events(tmp_path)
    names = [f"case {place:02d} lesion_size" for place in (1, 2, 3)]
    assert read.Tags()["images"] == names
    assert [event.step for event in read.Images(names[1])] == [2, 4, 5]
    assert (read.Images(names[0])[0].width, read.Images(names[0])[0].height) == (8, 6)
    text = read.Tensors(f"{names[1]}/text_summary")[0].tensor_proto.string_val[0].decode()
    assert all(words in text for words in ("How long is lesion 4?", "12.5", "4 mm", "error_mm 1"))
    unread = read.Tensors(f"{names[0]}/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "no number in the reply" in unread


def test_pictures_go_to_wandb_only_when_they_may(tmp_path, offline):
    assert not Wandb(settings().wandb, tmp_path, {}).shows
    tracker = Wandb(settings(wandb={"images": True}).wandb, tmp_path, {})
    assert tracker.shows
    tracker.setup(None, state(), None)
    tracker.show(3, [Shown("case 01 lesion_size", Image.fromarray(np.zeros((6, 8, 3), np.uint8)), "said 12 mm")])
    offline.finish()
    assert len(list(tmp_path.glob("wandb/offline-run-*/files/media/images/**/*.png"))) == 1
