"""``medft predict`` as a user starts it: runs, adapters, models, real files, mistakes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from medft_bm.config.load import load_config
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.questions import question_of
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.loading import save_processor
from medft_bm.prepare.dataset import Prepared, prepare_dataset
from medft_bm.sources import load_source
from medft_bm.tasks import load_task
from medft_bm.train.record import write_record

torch.set_num_threads(1)

BASE = "script/demo/base/gemma3"
PARTS = {
    "boxes": ("detection", {"kind": "volumes", "subjects": 6}),
    "sizes": ("lesion_size", {"kind": "volumes", "subjects": 6}),
    "heads": ("angle_distance", {"kind": "heads", "subjects": 4, "images_per_subject": 2}),
    "grades": ("classification", {"kind": "textures", "subjects": 4, "images_per_subject": 2}),
}
SECRET = "Mustermann"


def base(repository: Path) -> Loaded:
    family = load_model_family(str(repository / BASE))
    return family.load(str(repository / BASE), revision=None, dtype="float32", attention="sdpa")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A run folder with the rows of a training, an adapter that changes the model, and both merged."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("predict") / "run"
    folder.mkdir()
    mix = [
        {"name": name, "task": task, "source": "phantom", "source_options": options}
        for name, (task, options) in PARTS.items()
    ]
    data = {"root": str(folder.parent / "raw"), "cache": str(folder.parent / "cache"), "mix": mix}
    words = {
        "data": data | {"split": {"validation": 0, "test": 0.5}},
        "model": {"name": str(repository / BASE)},
        "run": {"folder": str(folder)},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    config = load_config(folder / "config.yaml", environ={}).config
    family = load_model_family(config.model.name)
    write_record(config, prepare_dataset(config.data, family).folder.name, finished=True)
    torch.manual_seed(0)
    loaded = base(repository)
    lora = LoraConfig(r=4, target_modules=family.lora_targets(["language"]), init_lora_weights=False)
    model = get_peft_model(loaded.model, lora)
    model.save_pretrained(folder / "adapter")
    model.merge_and_unload().save_pretrained(folder / "merged")
    save_processor(loaded.processor, folder / "merged")
    return folder


@pytest.fixture(scope="module")
def prepared(run: Path) -> Prepared:
    return Prepared(next((run.parent / "cache" / "prepared").iterdir()))


def file_of(run: Path, prepared: Prepared, part: int) -> tuple[Any, Path, list[str]]:
    """A held-out item of a part, the raw file it was made of, and the words that name its slice."""
    item = next(item for item in prepared.items("test") if item.part == part)
    name, (task, options) = list(PARTS.items())[part]
    source, root = load_source("phantom", options), run.parent / "raw"
    for unit in source.units(root):
        for record in source.records_of(root, unit, lambda *_: None):
            for sample in load_task(task).samples(record, name, lambda *_: None):
                if sample.uid == item.uid:
                    ref = sample.image
                    words = [] if ref.index is None else ["--slice", f"{ref.axis}:{ref.index}"]
                    return item, root / ref.path, words
    raise AssertionError(item.uid)


def facts(done: Any) -> dict[str, Any]:
    assert done.code in (0, 1), done.err
    told: dict[str, Any] = json.loads(done.out)
    return told


@pytest.mark.parametrize("part", range(4))
def test_a_run_is_asked_what_it_was_trained_on_and_says_what_it_says_in_evaluation(
    medft, run, prepared, repository, part
):
    from medft_bm.models.loading import with_adapter

    item, path, words = file_of(run, prepared, part)
    label = ["--label", item.sample.tags["label"]] if part < 3 else []
    if item.sample.spacing and path.suffix == ".png":
        words += ["--spacing", f"{item.sample.spacing.y},{item.sample.spacing.x}"]

    told = facts(
        medft("predict", path, "--model", run, "--weights", "adapter", "--part", list(PARTS)[part], *label, *words,
              "--json")
    )  # fmt: skip

    backend = Transformers(with_adapter(base(repository), run / "adapter"), 64, 1)
    (reply,) = backend.ask([question_of(item)])
    assert told["question"] == item.prompt_text
    assert (told["reply"], told["finished"]) == (reply.text, reply.finished)
    assert bool(told["why_not"]) == (item.task.score(item.sample, item.view, reply.text).values is None)


def test_an_adapter_alone_changes_the_base_and_says_what_the_merged_model_says(medft, run, slide, tmp_path):
    lone = shutil.copytree(run / "adapter", tmp_path / "lone")
    asked = ("predict", slide, "--task", "detection", "--label", "liver", "--json")

    before, adapted, merged, chosen = (
        facts(medft(*asked, "--model", *words))
        for words in ([BASE], [lone], [run / "merged"], [run, "--weights", "merged"])
    )

    assert before["question"] == adapted["question"] == merged["question"]
    assert adapted["reply"] != before["reply"]
    assert adapted["reply"] == merged["reply"] == chosen["reply"]
    assert adapted["model"].startswith("adapter on ")


def test_lengths_are_asked_for_in_the_pixels_the_model_sees_and_need_their_size(medft, slide):
    asked = ("predict", slide, "--model", BASE, "--task", "lesion_size", "--label", "tumour")

    unknown = medft(*asked)
    told = facts(medft(*asked, "--spacing", "0.5,0.8", "--json"))

    assert unknown.code == 4
    assert "--spacing 0.7" in unknown.err
    # 40 x 60 pixels of 0.5 x 0.8 mm are 20 x 48 mm; the demo's model sees 64 x 64.
    assert "One pixel is 0.75 mm wide and 0.3125 mm high" in told["question"]
    assert told["image"]["spacing_mm"] == {"y": 0.5, "x": 0.8}


def test_a_large_picture_is_read_without_a_warning_of_the_library_that_reads_it(medft, slide, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # of 2400; Pillow refuses twice that number

    unknown = medft("predict", slide, "--model", BASE, "--task", "lesion_size", "--label", "tumour")

    assert (unknown.code, list(recwarn)) == (4, [])


def with_name(source: Path, target: Path) -> None:
    """A copy of a DICOM file that says who the patient is."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(source))
    reader.LoadPrivateTagsOn()
    image = reader.Execute()
    for key in reader.GetMetaDataKeys():
        image.SetMetaData(key, reader.GetMetaData(key))
    for key in ("0010|0010", "0010|0020", "0008|0080", "0008|103e"):
        image.SetMetaData(key, SECRET)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(target))
    writer.Execute(image)


def test_a_dicom_series_is_measured_and_nothing_of_its_patient_comes_out(medft, real_data, tmp_path):
    series = tmp_path / SECRET
    series.mkdir()
    for path in sorted((real_data / "D_dicom_sts003/STS_003/CT/image").glob("*.dcm"))[:4]:
        with_name(path, series / path.name)
    assert SECRET.encode() in next(series.iterdir()).read_bytes()
    asked = ("predict", series, "--model", BASE, "--slice", "axial:1", "--window", "ct_soft_tissue", "--tag",
             "modality=CT", "--task", "angle_distance", "--points", "top,bottom",
             "--overlay", tmp_path / "seen.png")  # fmt: skip

    shown, told = medft(*asked), medft(*asked, "--json")

    assert shown.code == told.code == 0
    assert re.search(r"^answer    distance \d+\.\d mm$", shown.out, re.MULTILINE)
    assert "158 x 154 px (height x width), axial slice 1, pixel 0.9766 x 0.9766 mm, window ct_soft_tissue" in shown.out
    assert f"overlay   {tmp_path / 'seen.png'}" in shown.out
    assert "for research only" in shown.out
    assert facts(told)["answer"]["unit"] == "mm"
    # 154 px of 0.976562 mm, seen as 64 px by this model.
    assert "One pixel is 2.35 mm wide and 2.411 mm high" in facts(told)["question"]
    everything = (shown.out + shown.err + told.out + told.err).encode() + (tmp_path / "seen.png").read_bytes()
    assert SECRET.encode() not in everything
    with Image.open(tmp_path / "seen.png") as picture:
        assert (picture.width, picture.info) == (624, {})


def test_free_text_is_asked_as_it_is_and_not_read(medft, slide, tmp_path):
    overlay = tmp_path / "seen.png"
    done = medft("predict", slide, "--model", BASE, "--question", "What is this?", "--overlay", overlay)

    assert done.code == 0
    assert "question  What is this?" in done.out
    assert "answer" not in done.out
    assert overlay.is_file()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", BASE], 2, "nothing is asked"),
        (["--model", "{run}"], 2, "the run knows 'boxes', 'sizes', 'heads', 'grades'"),
        (["--model", "{run}", "--part", "boxs"], 2, "did you mean 'boxes'"),
        (["--model", "{run}", "--part", "boxes"], 2, "which label?"),
        (["--model", "{run}", "--part", "boxes", "--task", "detection"], 2, "--task and --part"),
        (["--model", BASE, "--classes", "a,b"], 2, "--classes goes with --task"),
        (["--model", BASE, "--question", "?", "--spacing", "0.7,0"], 2, "no pixel size"),
        (["--model", BASE, "--question", "?", "--spacing", "1,2,3"], 2, "no pixel size"),
        (["--model", BASE, "--task", "detection", "--label", "a", "--tag", "CT"], 2, "not NAME=VALUE"),
        (["--model", BASE, "--task", "detection", "--label", "a", "--points", "b,c"], 2, "no use for --points"),
        (["--model", "{run}", "--part", "grades", "--label", "a"], 2, "asks which class"),
        (["--model", BASE, "--question", " "], 2, "the question is empty"),
        (["--model", BASE, "--question", "\udce9?"], 2, "not UTF-8"),
        (["--model", BASE, "--question", "?", "--label", "a"], 2, "--label is part of a task's question"),
        (["--model", BASE, "--question", "?", "--revision", "main"], 2, "a folder has no revisions"),
        (["--model", BASE, "--question", "?", "--overlay", "{slide}"], 2, "the image itself"),
        (["--model", BASE, "--question", "?", "--overlay", "seen.jpg"], 2, "no PNG"),
        (["--model", BASE, "--question", "?", "--overlay", "no/such/seen.png"], 2, "cannot be written"),
        (["--model", BASE, "--question", "?", "--max-new-tokens", "0"], 2, "0 tokens"),
        (["--model", "no/such/model", "--question", "?"], 2, "no model folder"),
    ],
)
def test_a_mistake_is_one_message_before_any_weight_is_loaded(medft, run, slide, monkeypatch, words, code, said):
    monkeypatch.setattr("medft_bm.predict.weights.Weights.loaded", pytest.fail)

    done = medft("predict", slide, *(word.format(run=run, slide=slide) for word in words))

    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_run_whose_rows_are_gone_still_answers_questions_in_other_words(medft, run, slide, tmp_path):
    moved = shutil.copytree(run, tmp_path / "moved")
    (moved / "training.json").unlink()

    refused = medft("predict", slide, "--model", moved, "--part", "boxes")
    told = facts(medft("predict", slide, "--model", moved, "--task", "classification", "--classes", "a,b", "--json"))

    assert refused.code == 4
    assert "with --task" in refused.err
    assert "Which of these does it show: a, b?" in told["question"]


def test_a_plane_that_was_never_trained_on_is_asked_about_and_said(medft, run, prepared):
    _, path, _ = file_of(run, prepared, 0)
    asked = ("predict", path, "--model", run, "--part", "boxes", "--label", "liver", "--slice", "coronal:30", "--json")

    told = facts(medft(*asked))

    assert "This is a coronal CT slice of" in told["question"]
    assert "this question was trained on axial slices, not on coronal slices" in told["notes"]
