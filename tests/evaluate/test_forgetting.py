import json

import numpy as np
import pytest
import yaml
from PIL import Image

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.forgetting import FOLDER, forgetting_rows, general_set
from medft_bm.evaluate.run import evaluate_run
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import prepare_dataset

ALL = {"validation": 0, "test": 1}


@pytest.fixture
def general(tmp_path, config):
    """The general set of a run: the first part of its own mix, and what is said otherwise."""
    facts = config.data.model_dump(mode="json", include={"root", "split", "mix"})
    first = facts | {"mix": facts["mix"][:1]}

    def prepared(run_salt="", **data):
        (tmp_path / "general.yaml").write_text(yaml.safe_dump({"data": first | data}))
        named = config.evaluate.model_copy(update={"general": tmp_path / "general.yaml"})
        salted = config.data.model_copy(update={"salt": run_salt})
        run = config.model_copy(update={"evaluate": named, "data": salted})
        family = load_model_family(config.model.name)
        return general_set(run, family, prepare_dataset(run.data, family))

    return prepared


@pytest.mark.parametrize("run_salt", ["", "secret"])
def test_a_general_set_on_patients_who_are_trained_on_is_refused(general, run_salt):
    said = r"[1-9] subject\(s\) of the general set are trained on, such as s[0-9a-f]{12}"
    with pytest.raises(DataError, match=said) as error:
        general(run_salt, split=ALL)
    assert error.value.where.endswith("general.yaml")


def test_names_that_are_hidden_otherwise_could_not_be_compared(general):
    with pytest.raises(ConfigError, match=r"data\.salt is not that of the run"):
        general(salt="another")
    assert len(general("secret", salt="secret").items("test"))


def test_held_out_patients_and_other_ones_may_be_asked_about(general, config):
    assert len(general().items("test"))

    (part, *_) = config.data.model_dump(mode="json")["mix"]
    others = [part | {"source_options": part["source_options"] | {"seed": 77}}]
    assert len(general(mix=others, split=ALL).items("test"))


@pytest.fixture
def pictures(tmp_path, config):
    """Prepares two sets of pictures, as files in the folder of their class: what is trained on, and what is asked."""
    family = load_model_family(config.model.name)

    def asked(trained, general):
        mixes = {}
        for name, files, split in (("run", trained, {"validation": 0, "test": 0}), ("general", general, ALL)):
            for path, pixels in files.items():
                (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / name / path)
            part = {"task": "classification", "source": "image_folder"}
            mixes[name] = {"root": str(tmp_path / name), "mix": [part], "split": split}
        (tmp_path / "general.yaml").write_text(yaml.safe_dump({"data": mixes["general"]}))
        run = Config.model_validate(
            {
                "model": {"name": config.model.name},
                "data": mixes["run"] | {"cache": tmp_path / "cache"},
                "evaluate": {"general": tmp_path / "general.yaml"},
            }
        )
        return general_set(run, family, prepare_dataset(run.data, family))

    return asked


def test_a_picture_that_is_trained_on_is_found_under_another_name(pictures):
    noise = np.random.default_rng(0).integers(0, 255, (4, 40, 60), np.uint8)
    blank = np.zeros((40, 60), np.uint8)
    trained = {"a/one.png": noise[0], "b/two.png": noise[1], "b/blank.png": blank}
    fresh = {"a/three.png": noise[2], "b/nothing.png": blank}

    assert len(pictures(trained, fresh).items("test")) == 2
    with pytest.raises(DataError, match=r"1 picture\(s\) of the general set are trained on, under other names"):
        pictures(trained, fresh | {"b/renamed.png": noise[1]})


def test_what_was_known_before_is_compared_with_what_is_known_after(tmp_path, prepared, config, model):
    few = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"limit": 8})})
    folder = tmp_path / "evaluation" / FOLDER
    backend = Transformers(model, 6, 4)
    assert forgetting_rows(tmp_path, prepared, few) == []

    evaluate_run(prepared, few, "base", backend, folder)
    only = forgetting_rows(tmp_path, prepared, few)
    assert {tuple(row.results) for row in only} == {("base",)}
    assert all(row.change is None for row in only)

    before = few.model_copy(update={"evaluate": few.evaluate.model_copy(update={"limit": 4})})
    evaluate_run(prepared, before, "tuned", backend, folder)
    rows = forgetting_rows(tmp_path, prepared, before)
    assert {row.part for row in rows} == {part.name for part in prepared.parts}
    assert {row.n for row in rows} == {1}
    changes = [row.change.value for row in rows if row.change]
    assert changes
    assert set(changes) == {0.0}
    assert len(json.loads((folder / "base" / "scores.json").read_text())["samples"]) == 8
