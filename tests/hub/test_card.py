"""Cards say what a run is, the Hub understands them, and the code on them runs."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.questions import question_of
from medft_bm.hub.card import dataset_card, model_card
from medft_bm.hub.terms import run_terms
from medft_bm.models.content import weights_in
from medft_bm.models.loading import with_adapter

REPOSITORY = {"lora": "some-lab/measures", "merged": "some-lab/measures-merged"}


def written(made, what="lora", config: Config | None = None) -> str:
    config = config or made.config
    question, weights = made.items[0].prompt_text, weights_in(made.adapter if what == "lora" else made.merged)
    about = {"what": what, "repository": REPOSITORY[what], "question": question, "weights": weights}
    return model_card(config, run_terms(config), **about)


def changed(made, tmp_path: Path, **sections) -> Config:
    """The run's config with other settings, over a copy of its folder."""
    run = tmp_path / "copy"
    for name in ("report.json", "environment.json"):
        run.mkdir(exist_ok=True)
        shutil.copy(made.config.run.folder / name, run / name)
    values = made.config.model_dump()
    values["run"]["folder"] = run
    for section, more in sections.items():
        values[section] = values[section] | more if isinstance(more, dict) else more
    return Config.model_validate(values)


def blocks(card: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


def printed(code: str, folder: Path, monkeypatch) -> str:
    monkeypatch.chdir(folder)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "card", "exec"), {})
    return out.getvalue().removesuffix("\n")


@pytest.mark.parametrize("what", ["lora", "merged"])
def test_the_code_on_the_card_says_what_we_say(made, what, tmp_path, monkeypatch):
    item = made.items[0]
    item.image.save(tmp_path / "image.png")
    folder = made.adapter if what == "lora" else made.merged
    base = made.config.model.name
    code = blocks(written(made, what), "python")[0]
    code = code.replace(f'"{REPOSITORY[what]}"', f'"{folder}"').replace('"some-lab/tiny-gemma"', f'"{base}"')

    said = printed(code, tmp_path, monkeypatch)

    loaded = made.family.load(base if what == "lora" else str(folder), revision=None, dtype="float32", attention="sdpa")
    loaded = with_adapter(loaded, folder) if what == "lora" else loaded
    (reply,) = Transformers(loaded, made.config.evaluate.max_new_tokens, 1).ask([question_of(item)])
    assert reply.text
    assert said == reply.text


@pytest.mark.parametrize("what", ["lora", "merged"])
def test_the_rest_of_the_code_parses_and_serves_what_it_asks(made, what):
    card = written(made, what)
    serve, (_, ask) = shlex.split(blocks(card, "bash")[0]), blocks(card, "python")
    compile(ask, "card", "exec")
    model = re.search(r'model="([^"]+)"', ask)[1]
    assert serve[:2] == ["vllm", "serve"]
    assert model == (serve[-1].split("=")[0] if what == "lora" else serve[2])


@pytest.mark.parametrize("what", ["lora", "merged"])
def test_the_head_is_what_the_hub_reads(made, what):
    card = ModelCard(written(made, what))
    assert card.data.base_model == "some-lab/tiny-gemma"
    assert card.data.base_model_relation == {"lora": "adapter", "merged": "finetune"}[what]
    assert card.data.library_name == {"lora": "peft", "merged": "transformers"}[what]
    assert card.data.pipeline_tag == "image-text-to-text"
    assert card.data.license == "apache-2.0"
    assert {"medical", "classification"} <= set(card.data.tags)
    report = json.loads((made.config.run.folder / "report.json").read_text())
    numbers = {name: metric["value"] for name, metric in report["results"]["tuned"][0]["metrics"].items()}
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {name: value for name, value in numbers.items() if value is not None}
    assert "accuracy" in found
    assert all(result.metric_args["subjects"] == 3 for result in card.data.eval_results)


def test_the_table_shows_baseline_before_and_after_with_intervals(made):
    card = written(made)
    (line,) = [line for line in card.splitlines() if line.startswith(r"| tissue \| grade | accuracy |")]
    cells = [cell.strip() for cell in line.replace(r"\|", "/").split("|")[1:-1]]
    report = json.loads((made.config.run.folder / "report.json").read_text())
    for cell, who in zip(cells[-3:], ("baseline", "base", "tuned"), strict=True):
        metric = report["results"][who][0]["metrics"]["accuracy"]
        assert cell == f"{metric['value']:.3g} ({metric['low']:.3g} to {metric['high']:.3g})"


def test_data_terms_and_limits_are_said(made):
    card = written(made)
    assert "phantom, revision" in card
    assert "train 6 of 6 subjects" in card
    assert "[CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/)" in card
    assert "not a medical device" in card
    assert "pepper" not in card
    assert str(made.config.run.folder.parent) not in card


def test_share_alike_data_decides_the_licence_and_everybody_is_named(made, tmp_path):
    part = made.config.data.mix[0].model_dump()
    part["terms"] = {"licence": "cc-by-sa-4.0", "attribution": "A. Author, 2020", "url": "https://data.example/set"}
    config = changed(made, tmp_path, data={"mix": [part]})
    card = written(made, config=config)
    assert ModelCard(card).data.license == "cc-by-sa-4.0"
    assert "A. Author, 2020 https://data.example/set" in card


def test_a_demo_says_so_where_nobody_can_miss_it(made, tmp_path):
    config = changed(made, tmp_path, demo=True)
    for card in (written(made, config=config), data_card(made, config)):
        assert "\n# DEMO: measures" in card
        assert "not for\nany use" in card or "not for any use" in card
        assert "demo" in ModelCard(card).data.tags
    assert "DEMO" not in written(made)


def test_names_that_users_choose_break_neither_the_page_nor_its_head(made, tmp_path):
    ugly = "a|b\n# <script>alert(1)</script> [x](http://y)\n---\nlicense: mit"
    part = made.config.data.mix[0].model_dump() | {"name": ugly, "terms": {"licence": "cc-by-4.0", "attribution": ugly}}
    config = changed(made, tmp_path, data={"mix": [part]})
    path = config.run.folder / "report.json"
    report = json.loads(path.read_text())
    for of in report["results"].values():
        of[0]["part"] = ugly
    path.write_text(json.dumps(report))
    question = 'Say "```" and\n``` <b>stop</b>'
    about = {"what": "lora", "repository": REPOSITORY["lora"], "weights": weights_in(made.adapter)}
    card = model_card(config, run_terms(config), question=question, **about)

    page = ModelCard(card)
    shown = re.sub(r"(`{3,}).*?\n\1", "", page.text, flags=re.DOTALL)
    assert page.data.license == "apache-2.0"
    assert page.data.eval_results[0].dataset_name == ugly
    assert "<script>" not in shown
    assert re.findall(r"^# .*", shown, re.MULTILINE) == ["# measures"]
    assert next(line.count(" | ") for line in shown.splitlines() if "accuracy |" in line) == 8
    (asked,) = [line for line in blocks(card, "python")[0].splitlines() if line.startswith("question = ")]
    assert ast.literal_eval(asked.removeprefix("question = ")) == question


@pytest.mark.parametrize("version", [None, 10**6])
def test_a_run_without_a_report_or_with_a_later_one_has_a_card_all_the_same(made, tmp_path, version):
    config = changed(made, tmp_path)
    path = config.run.folder / "report.json"
    if version is None:
        path.unlink()
    else:
        path.write_text(json.dumps({"report_version": version, "results": "another form"}))
    card = ModelCard(written(made, config=config))
    assert card.data.eval_results is None
    assert "| accuracy |" not in card.text
    path.write_text("{")
    with pytest.raises(DataError, match=r"cannot be read"):
        written(made, config=config)


def test_probes_and_citation_are_shown_where_they_are(made, tmp_path):
    config = changed(made, tmp_path)
    path = config.run.folder / "report.json"
    report = json.loads(path.read_text())
    probe = {"part": "tissue | grade", "question": "Does it look?", "verdict": "It does not look."}
    path.write_text(json.dumps({**report, "probes": {"tuned": [probe]}}))
    authors = "authors:\n  - {family-names: Author, given-names: Ann}\n"
    (config.run.folder / "CITATION.cff").write_text(f"title: Bars\n{authors}date-released: 2025-03-01\n")
    card = written(made, config=config)
    assert r"| tissue \| grade | Does it look? | It does not look. |" in card
    assert blocks(card, "bibtex") == [
        "@misc{model,\n  title = {Bars},\n  author = {Author, Ann},\n  year = {2025},\n}\n"
    ]


def data_card(made, config: Config) -> str:
    return dataset_card(config, run_terms(config), folder=made.prepared.folder, repository="some-lab/measures-data")


def test_a_dataset_card_keeps_what_preparation_counted_and_adds_the_terms(made, tmp_path, monkeypatch):
    text = data_card(made, made.config)
    card = DatasetCard(text)
    assert card.data.license == "cc0-1.0"
    assert card.data.size_categories == ["n<1K"]
    assert r"| tissue \| grade | classification | train | 6 | 6 | 6 |" in text
    assert "Synthetic images" in text
    assert text.count("## Questions") == 1
    code = blocks(text, "python")[0]
    code = code.replace('snapshot_download("some-lab/measures-data", repo_type="dataset")', f'"{made.prepared.folder}"')
    assert printed(f"{code}\nprint(len(rows['train']), len(images))", tmp_path, monkeypatch) == "6 12"


def test_an_adapter_of_a_base_without_a_hub_id_is_called_by_its_folder(made, tmp_path):
    config = changed(made, tmp_path, hub={"base_model": None})
    card = written(made, "merged", config)
    assert ModelCard(card).data.base_model is None
    assert "A fine-tuned version of base,\nwhich" in card
    assert replace(run_terms(config).base, url="") == run_terms(config).base
