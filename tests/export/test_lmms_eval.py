"""The tasks for lmms-eval: found, read offline, and scored as ``medft evaluate`` scores."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from tests.export.conftest import config_of, export_of, part

from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import score_replies, summarise
from medft_bm.export import lmms_eval
from medft_bm.export.formats import load_format
from medft_bm.export.make import make_export
from medft_bm.export.scoring import shown, visual

LIKELIHOODS = {"auroc", "binary_auroc", "brier_score", "expected_calibration_error"}
"""Metrics that need the probability of every answer."""


@pytest.fixture(scope="module")
def out(export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lmms") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lmms_eval, "ROWS_PER_GROUP", 3)
        make_export(export, load_format("lmms-eval"), folder)
    return folder


@pytest.fixture(scope="module")
def utils(out):
    """The file beside the tasks, imported as lmms-eval does."""
    spec = importlib.util.spec_from_file_location("utils", out / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tasks(out, utils):
    """Every task with its functions, by name."""

    class Loader(yaml.SafeLoader):
        """Knows ``!function``."""

    def function(loader, node):
        module, name = loader.construct_scalar(node).split(".")
        assert module == "utils"
        return getattr(utils, name)

    Loader.add_constructor("!function", function)
    found = [yaml.load(path.read_text(encoding="utf-8"), Loader) for path in out.glob("*.yaml")]
    return {task["task"]: task for task in found}


@pytest.fixture(scope="module")
def docs(out, tasks, tmp_path_factory):
    """The rows of every task, read as lmms-eval reads them."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def read(task):
        file = out / task["dataset_kwargs"]["data_files"]["test"]
        return load_dataset(task["dataset_path"], data_files={"test": str(file)}, cache_dir=cache)["test"]

    return {name: read(task) for name, task in tasks.items()}


def reply(item, k):
    """Right, wrong and unreadable ones."""
    return [item.answer_text, item.answer_text.replace("1", "2"), "I cannot tell.", "grade 1"][k % 4]


def test_every_part_is_a_task_with_a_name_of_its_own(tasks):
    names = {
        "medft_grades",
        "medft_heads",
        "medft_lesions_in_mm",
        "medft_lesions_in_mm_3",
        "medft_organs",
    }
    assert set(tasks) == names
    assert {task["task_alias"] for task in tasks.values()} == {
        "grades",
        "heads",
        "Lesions, in mm",
        "lesions in mm",
        "organs",
    }
    assert {task["tag"] for task in tasks.values()} == {"medft"}
    assert lmms_eval.task_name("  ///  ", []) == "medft_"


def test_numbers_are_those_of_our_own_evaluation(export, tasks, docs):
    items = list(export.prepared.items("test"))
    replies = {item.uid: Reply(item.uid, reply(item, k), 1, True) for k, item in enumerate(items)}
    summaries = summarise(score_replies(items, list(replies.values())), resamples=0, seed=0)
    names = [part.name for part in export.prepared.parts]

    for summary in summaries:
        task = next(task for task in tasks.values() if task["task_alias"] == names[summary.part])
        given = [task["process_results"](doc, [replies[doc["uid"]].text]) for doc in docs[task["task"]]]
        numbers = {
            one["metric"]: one["aggregation"]([row[one["metric"]] for row in given]) for one in task["metric_list"]
        }
        ours = {shown(result.metric.name): result.interval for result in summary.results}
        assert len(given) == summary.n
        assert set(ours) - set(numbers) == (LIKELIHOODS & set(ours))
        for name, number in numbers.items():
            value = math.nan if ours[name] is None else ours[name].value
            assert number == pytest.approx(value, rel=1e-12, nan_ok=True), name
        assert any(not math.isnan(number) for number in numbers.values())


def test_questions_pictures_and_answers_are_those_of_the_prepared_rows(export, tasks, docs):
    items = {item.uid: item for item in export.prepared.items("test")}
    seen = 0
    for name, task in tasks.items():
        for doc in docs[name]:
            item = items[doc["uid"]]
            (picture,) = task["doc_to_visual"](doc)
            assert (doc[task["doc_to_text"]], doc[task["doc_to_target"]]) == (item.prompt_text, item.answer_text)
            size = item.view.size
            assert np.array_equal(np.asarray(picture), np.asarray(item.image.resize((size.w, size.h), 3)))
            seen += 1
    assert seen == len(items)


def test_a_mean_names_the_patient_and_leaves_out_what_has_no_value(tasks, docs):
    task = tasks["medft_heads"]
    doc = docs["medft_heads"][0]

    said = task["process_results"](doc, ["I cannot tell."])["absolute_error"]

    assert set(said) == {"subject"}
    assert task["cluster_key"] == "subject"
    assert math.isnan(task["metric_list"][0]["aggregation"]([said]))


def test_gemma_s_pictures_are_left_to_its_processor(folder, tmp_path):
    export = export_of(config_of(folder, [part("g", "classification", {}, {"kind": "textures"})], "gemma3"))
    make_export(export, load_format("lmms-eval"), tmp_path / "out")

    doc = pq.read_table(tmp_path / "out" / "medft_g.parquet").to_pylist()[0]
    (picture,) = visual(doc, tmp_path / "out")
    item = next(item for item in export.prepared.items("test") if item.uid == doc["uid"])
    assert np.array_equal(np.asarray(picture), np.asarray(item.image))
    assert picture.size != (item.view.size.w, item.view.size.h)


def test_a_comma_in_a_class_does_not_cut_the_name_of_its_metrics(awkward, tmp_path):
    export = awkward(["benign", "malignant, in situ"])
    make_export(export, load_format("lmms-eval"), tmp_path / "out")

    (path,) = (tmp_path / "out").glob("*.yaml")
    text = path.read_text(encoding="utf-8")
    assert "metric: recall of malignant; in situ" in text
