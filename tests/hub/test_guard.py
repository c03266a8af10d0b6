"""Nothing that names a patient, a person or a place of a machine leaves, wherever it hides."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.hub.test_card import data_card, written

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.hub.guard import check_outgoing, clean_config, name_base
from medft_bm.hub.guard_findings import Finding, require_none
from medft_bm.hub.guard_names import Known, known_of
from medft_bm.hub.names import Repository
from medft_bm.hub.outgoing import Outgoing, require_terms
from medft_bm.hub.parcel import packed
from medft_bm.hub.terms import run_terms

SALT = "pepper"


@pytest.fixture
def lora(made, tmp_path):
    """What would leave: the adapter, its base called by its name on the Hub, and the card."""
    folder = shutil.copytree(made.adapter, tmp_path / "adapter")
    name_base(folder, made.config)
    (folder / "README.md").write_text(written(made), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def known(made):
    return known_of(made.config, [made.config.run.folder / "split.json", made.prepared.folder / "split.json"])


def check(made, folder: Path, known: Known, config: Config | None = None, what="lora", private=True) -> list[Finding]:
    config = config or made.config
    return check_outgoing(folder, config, run_terms(config), known, what=what, private=private)


def other(config: Config, **sections) -> Config:
    values = config.model_dump()
    for section, more in sections.items():
        values[section] = values[section] | more if isinstance(more, dict) else more
    return Config.model_validate(values)


@pytest.mark.parametrize("private", [True, False])
def test_what_training_and_merging_made_may_leave(made, lora, known, private):
    assert check(made, lora, known, private=private) == []
    merged = shutil.copytree(made.merged, lora.parent / "merged")
    (merged / "README.md").write_text(written(made, "merged"), encoding="utf-8")
    assert check(made, merged, known, what="merged", private=private) == []


def test_a_prepared_dataset_may_leave_with_a_salt_and_not_without(made, known, tmp_path):
    folder = shutil.copytree(made.prepared.folder, tmp_path / "data")
    (folder / "README.md").write_text(data_card(made, made.config), encoding="utf-8")
    assert check(made, folder, known, what="data", private=False) == []
    unsalted = other(made.config, data={"salt": ""})
    (finding,) = check(made, folder, known, unsalted, what="data")
    assert finding.blocks
    assert finding.where == "data.salt"
    with pytest.raises(DataError, match=r"data\.salt: subjects are hashed without a secret"):
        require_terms(unsalted, ("data",))
    require_terms(unsalted, ("lora", "merged"))
    require_terms(other(unsalted, demo=True), ("data",))


def planted_card(folder: Path, text: str) -> None:
    with (folder / "README.md").open("a", encoding="utf-8") as file:
        file.write(f"\nwords {text} words\n")


def planted_json(folder: Path, text: str) -> None:
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "note": text}))


def planted_weights(folder: Path, text: str) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(load_file(path), path, metadata={"format": "pt", "note": text})


def planted_name(folder: Path, text: str) -> None:
    (folder / f"{text.replace('/', '-')}.json").write_text("{}")


PLACES = [planted_card, planted_json, planted_weights, planted_name]
IDENTIFIERS = [
    "DOE^JANE",
    "born 1947-03-11",
    '"PatientBirthDate": "19470311"',
    "MRN: 00482913",
    "1.2.826.0.1.3680043.8.498.1234",
    "/home/someone/scans",
    "C:\\Users\\someone",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "jane.doe@clinic.example.org",
]

HIDDEN = [
    *("Jane Doe", "x/KH-22941/y", "(MuellerAnna)", "P00017", "P00017_t2.nii", "Jörg Bär"),
    *("SCAN_772", "visit_1_x.png"),
]


@pytest.mark.parametrize("text", IDENTIFIERS)
@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__)
def test_whatever_looks_like_an_identity_is_found_wherever_it_is(made, lora, known, plant, text):
    if plant is planted_name and ("/" in text or '"' in text):
        pytest.skip("no name of a file")
    plant(lora, text)
    findings = check(made, lora, known)
    assert findings
    assert all(finding.blocks for finding in findings)
    assert text not in "".join(f"{one.what} {one.where}" for one in findings)


@pytest.fixture
def clinic(made, tmp_path):
    """A run over pictures whose files and table name patients; only the names matter."""
    root = tmp_path / "clinic" / "pictures"
    lines = ["image,label,patient"]
    for n, patient in enumerate(("Jane Doe", "KH-22941", "MuellerAnna", "P00017")):
        folder = root / f"visit_{n}_x"
        folder.mkdir(parents=True)
        Image.fromarray(np.full((8, 9), n, np.uint8)).save(folder / f"SCAN_77{n}.png")
        lines.append(f"visit_{n}_x/SCAN_77{n}.png,{('benign', 'malignant')[n % 2]},{patient}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    part = {
        "name": "moles",
        "task": "classification",
        "source": "image_folder",
        "root": "pictures",
        "source_options": {"table": "list.csv", "subject_column": "patient"},
        "terms": {"licence": "data-use-agreement"},
    }
    return other(made.config, data={"root": root.parent, "mix": [part]})


@pytest.fixture
def split(tmp_path):
    from medft_bm.prepare.split import hide

    path = tmp_path / "split.json"
    people = ("Jörg Bär", "Jane Doe", "KH-22941", "MuellerAnna", "P00017", "7", "2016")
    path.write_text(json.dumps({hide(name, SALT): "train" for name in people}))
    return path


@pytest.mark.parametrize("text", HIDDEN)
@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__)
def test_subjects_and_raw_files_of_the_run_are_found(made, lora, clinic, split, plant, text):
    plant(lora, text)
    findings = [one for one in check(made, lora, known_of(clinic, [split])) if one.blocks]
    assert {True} == {"subject" in one.what or "raw file" in one.what for one in findings}
    assert text not in "".join(f"{one.what} {one.where}" for one in findings)


def test_short_numbers_and_words_of_the_mix_are_no_identities(clinic, split):
    known = known_of(clinic, [split])
    assert list(known.found_in("7 of 2016 moles are benign, as list.csv says; pictures")) == []


def test_subjects_are_found_after_the_raw_data_is_gone_and_the_gap_is_told(made, lora, clinic, split):
    shutil.rmtree(clinic.data.root)
    known = known_of(clinic, [split])
    planted_card(lora, "KH-22941 and SCAN_772")
    findings = check(made, lora, known)
    assert ["subject" in one.what for one in findings if one.blocks] == [True]
    assert ["raw files" in one.what for one in findings if not one.blocks] == [True]


def test_this_machine_is_not_named_unless_the_repository_is_called_so(made, lora, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "mweber")
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-node17.clinic.example")
    planted_card(lora, "trained by MWeber on gpu-node17")
    planted_json(lora, str(made.config.data.cache))
    whats = {one.what.split(",")[0] for one in check(made, lora, known_of(made.config, []))}
    assert "holds the name of a user of this machine" in whats
    assert "holds the name of this machine" in whats
    assert "holds a path of this machine" in whats
    known = known_of(made.config, [], allowed=["mweber/measures"])
    assert list(known.found_in("trained by mweber")) == []


def test_a_tokenizer_may_know_every_word_and_no_path_of_this_machine(made, lora, clinic, split):
    known = known_of(clinic, [split])
    path = lora / "tokenizer.json"
    path.write_text(json.dumps({"vocabulary": ["MuellerAnna", "DOE^JANE", "/home/user"]}))
    assert [one for one in check(made, lora, known) if one.blocks] == []
    path.write_text(json.dumps({"padding": str(clinic.data.root)}))
    assert ["path of this machine" in one.what for one in check(made, lora, known) if one.blocks] == [True]


@pytest.mark.parametrize("end", [".arrow", ".parquet"])
def test_every_column_of_text_is_read_however_deep(made, known, lora, end):
    rows = [{"a": 1, "b": [{"text": "fine", "more": {"deep": "MRN: 00482913"}}], "image": {"bytes": b"DOE^JANE"}}]
    table = pyarrow.Table.from_pylist(rows)
    path = lora / f"data{end}"
    if end == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    (finding,) = check(made, lora, known)
    assert finding.where == f"column b of data{end}"


@pytest.mark.parametrize(
    "name",
    ["events.out.tfevents.1", "wandb/run.wandb", "training_args.bin", "optimizer.pt", "scan.nii.gz", "p.dcm", "a.png"],
)
def test_files_of_other_kinds_stay_here(made, lora, known, name):
    path = lora / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    (finding,) = check(made, lora, known)
    assert finding.blocks
    assert finding.where == name


def test_a_link_and_a_damaged_file_stay_here(made, lora, known):
    (lora / "more.json").symlink_to(made.config.run.folder / "training.json")
    assert [one.where for one in check(made, lora, known)] == ["more.json"]
    (lora / "more.json").unlink()
    (lora / "half.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(DataError, match="cannot be read"):
        check(made, lora, known)


def test_nothing_leaves_without_a_card_and_no_demo_without_its_mark(made, lora, known):
    assert [one.where for one in check(made, lora, known, other(made.config, demo=True))] == ["README.md"]
    (lora / "README.md").unlink()
    assert ["no card" in one.what for one in check(made, lora, known)] == [True]


def test_an_adapter_names_its_base_by_its_hub_id(made, lora, known, tmp_path):
    facts = json.loads((lora / "adapter_config.json").read_text())
    assert facts["base_model_name_or_path"] == "some-lab/tiny-gemma"
    assert json.loads((made.adapter / "adapter_config.json").read_text())["base_model_name_or_path"] != facts
    with pytest.raises(ConfigError, match=r"hub\.base_model"):
        name_base(lora, other(made.config, hub={"base_model": None}))
    for place in ("/models/base", "script/demo/base", "./base/x"):
        (lora / "adapter_config.json").write_text(json.dumps({**facts, "base_model_name_or_path": place}))
        assert any(one.where == "adapter_config.json" and one.blocks for one in check(made, lora, known)), place


def test_data_that_may_not_be_passed_on_blocks_a_public_push_only(made, lora, known, clinic):
    config = other(made.config, data={"mix": [clinic.data.mix[0].model_dump()]})
    assert [one.blocks for one in check(made, lora, known, config, private=False)] == [True]
    assert [one.blocks for one in check(made, lora, known, config, private=True)] == [False]


def test_all_that_blocks_is_said_at_once_and_the_rest_is_told_once(caplog):
    stop, tell = Finding("is bad", "a.json:3", "remove it"), Finding("is odd", "data.salt", "look", blocks=False)
    told: set[Finding] = set()
    require_none([tell], "here", told)
    require_none([tell, Finding("is new", "data.mix", "look", blocks=False)], "here", told)
    assert [record.message.split(" (")[0] for record in caplog.records] == ["is odd", "is new"]
    for _ in range(2):
        with pytest.raises(DataError, match=r"11 reason(.|\n)*a\.json:3: is bad; remove it(.|\n)*and 1 more"):
            require_none([stop] * 11, "here", told)


def test_a_training_says_of_its_terms_once_what_it_could_say_at_every_save(made, tmp_path, caplog):
    part = made.config.data.mix[0].model_dump() | {"terms": {"licence": "data-use-agreement"}}
    config = other(made.config, data={"mix": [part]})
    repositories = {"lora": Repository("lora", "some-lab/measures", private=True)}
    check = Outgoing(config, repositories, made.prepared, made.family, training=True)
    for _ in range(2):
        with packed("lora", made.adapter, tmp_path, [check]):
            pass
    assert caplog.text.count("does not allow a model made with it to become public") == 1


def test_a_clean_config_says_what_was_done_and_not_where(clinic):
    config = other(
        clinic, hub={"token_file": "/home/someone/token"}, evaluate={"server": {"url": "http://gpu17:80/v1"}}
    )
    text = json.dumps(clean_config(config))
    for word in (SALT, "clinic", "someone", "token_file", "gpu17", "pictures"):
        assert word not in text, word
    assert clean_config(config)["model"]["name"] == "some-lab/tiny-gemma"
    assert clean_config(config)["lora"]["rank"] == 4
    assert clean_config(config)["data"]["mix"][0]["source_options"] == {
        "table": "list.csv",
        "subject_column": "patient",
    }
