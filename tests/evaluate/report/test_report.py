import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.pages import Page

from medft_bm.core.errors import DataError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.medvision.tables import Table
from medft_bm.evaluate.probing import Finding
from medft_bm.evaluate.references import Reference
from medft_bm.evaluate.report.as_json import as_json
from medft_bm.evaluate.report.as_markdown import as_markdown
from medft_bm.evaluate.report.beside import Beside
from medft_bm.evaluate.report.build import build_report, write_report
from medft_bm.evaluate.report.content import gather
from medft_bm.evaluate.report.page import render_page
from medft_bm.evaluate.run import evaluate_run, open_evaluation
from medft_bm.metrics.aggregate import Interval


@pytest.fixture(scope="module")
def html(report):
    return report.html.read_text(encoding="utf-8")


def test_the_page_is_one_file_that_asks_nothing_of_any_server(html):
    page = Page(html)

    assert not re.search(r"(?:https?:)?//\w", re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", html))
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert page.all("script") == [{}]
    script = html.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not page.all("link")
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert "@import" not in html
    assert "url(" not in html


def test_the_page_can_be_read_by_a_screen_reader(html):
    page = Page(html)

    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    assert page.all("img")
    assert all("true answer" in image["alt"] for image in page.all("img"))
    assert all(
        drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])
        for drawing in page.all("svg")
    )
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in cell for cell in page.all("th"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    assert {section["aria-labelledby"] for section in page.all("section")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_what_a_model_says_is_shown_and_never_run(html, hostile):
    assert html.count("<script") == 1
    assert hostile in Page(html).text


def test_light_and_dark_define_the_same_colours_and_every_text_can_be_read_on_its_ground(html):
    schemes = [
        dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", html)
    ]

    assert len(schemes) == 2
    assert set(schemes[0]) == set(schemes[1])
    for colours in schemes:
        for text in ("--ink", "--soft", "--link"):
            for ground in ("--paper", "--sheet"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["--warn-ink"], colours["--warn"]) >= 4.5
        for drawn in ("--baseline", "--base", "--tuned"):
            assert contrast(colours[drawn], colours["--sheet"]) >= 3, drawn


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_every_part_has_rows_bars_and_cases_with_prompt_answer_and_reply(html, prepared, config, items):
    page = Page(html)

    assert len(page.all("article")) == len(page.all("img")) == config.evaluate.examples
    assert sum(
        (drawing["class"] or "").startswith("bar ") for drawing in page.all("svg") if "class" in drawing
    ) == 3 * len(prepared.parts)
    for part in prepared.parts:
        assert page.text.count(part.name) >= 4
    shown = [item for item in items if item.uid in page.text]
    assert len(shown) == config.evaluate.examples
    for item in shown:
        assert item.prompt_text in page.text
        assert item.answer_text in page.text


def test_a_demonstration_says_so_in_every_place_and_a_real_run_nowhere(
    report, html, tmp_path, prepared, config, evaluations
):
    folder = report.html.parent
    content = json.loads((folder / "report.json").read_text())
    assert "<title>DEMO" in html
    assert 'class="banner"' in html
    assert (folder / "report.md").read_text().startswith("# DEMO")
    assert content["demo"] is True
    assert "medical value" in content["note"]
    assert "medical value" in report.table

    real = write_report(tmp_path, prepared, config.model_copy(update={"demo": False}), evaluations)
    page = re.sub(r"base64,[\w+/=]+", "", real.html.read_text())
    for text in (page, (tmp_path / "report.md").read_text(), real.table):
        assert "demo" not in text.lower()
        assert "Research only" in text or text == real.table
    assert json.loads((tmp_path / "report.json").read_text())["demo"] is False


def test_the_three_files_agree_and_name_no_path_of_this_machine(report, html, config, prepared):
    content = json.loads((report.html.parent / "report.json").read_text())
    markdown = (report.html.parent / "report.md").read_text()

    for who in ("baseline", "base", "tuned"):
        assert [part["part"] for part in content["results"][who]] == [part.name for part in prepared.parts]
    value = content["results"]["tuned"][1]["metrics"]["iou"]["value"]
    for text in (html, markdown, report.table):
        assert f"{value:.3f}" in text
    for text in (html, markdown, json.dumps(content)):
        assert str(config.data.cache) not in text
        assert config.model.name not in text
    assert content["date"] in markdown
    assert "3 May 2031" in html


def test_the_same_evaluations_make_the_same_bytes(report, tmp_path, prepared, config, evaluations):
    again = write_report(tmp_path, prepared, config, evaluations, date="3 May 2031")

    for name in ("report.html", "report.md", "report.json"):
        assert (tmp_path / name).read_bytes() == (report.html.parent / name).read_bytes()
    assert again.table == report.table


def test_before_alone_makes_a_report_that_says_what_is_missing(tmp_path, prepared, config, evaluations):
    only = {who: evaluations[who] for who in ("baseline", "base")}

    report = write_report(tmp_path, prepared, config, only)

    assert "before fine-tuning has been evaluated so far" in Page(report.html.read_text()).text


def backend(loaded):
    return Transformers(loaded, 6, 4)


def test_a_model_is_evaluated_before_and_after_and_reported_from_disk(
    tmp_path, prepared, config, model, checkpoint, load
):
    folder = tmp_path / "evaluation"
    config = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"limit": 8, "examples": 4})})
    before = evaluate_run(prepared, config, "base", backend(model), folder)
    other = load(checkpoint)
    other.model.generation_config.eos_token_id = list(range(len(other.processor.tokenizer)))
    after = evaluate_run(prepared, config, "tuned", backend(other), folder)

    report = build_report(tmp_path, prepared, config)

    assert before.about["model"] != after.about["model"]
    assert open_evaluation(folder / "base", prepared).scored == before.scored
    assert open_evaluation(folder / "tuned", prepared).scored == after.scored
    assert {one.reply.text for one in after.scored} == {""}
    scores = json.loads((folder / "base" / "scores.json").read_text())
    assert len(scores["samples"]) == 8
    assert {row.n for row in report.rows} == {2}
    again = build_report(tmp_path, prepared, config)
    assert again.rows == report.rows


def test_models_asked_about_different_numbers_of_items_are_compared_on_the_common_ones(
    tmp_path, prepared, config, model
):
    def limited(limit, split="test"):
        options = config.evaluate.model_copy(update={"limit": limit, "split": split, "examples": 0})
        return config.model_copy(update={"evaluate": options})

    folder = tmp_path / "evaluation"
    evaluate_run(prepared, limited(8), "base", backend(model), folder)
    evaluate_run(prepared, limited(4), "tuned", backend(model), folder)
    assert {row.n for row in build_report(tmp_path, prepared, limited(4)).rows} == {1}

    evaluate_run(prepared, limited(4, "validation"), "tuned", backend(model), folder)
    with pytest.raises(DataError, match="different items"):
        build_report(tmp_path, prepared, limited(4))


def test_a_limit_asks_so_many_and_an_unfit_evaluation_is_refused(tmp_path, prepared, config, model):
    few = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"limit": 6})})
    folder = tmp_path / "evaluation"
    assert len(evaluate_run(prepared, few, "base", backend(model), folder).scored) == 6
    assert open_evaluation(folder / "tuned", prepared) is None

    moved = replace(prepared, folder=shutil.copytree(prepared.folder, tmp_path / "other"))
    with pytest.raises(DataError, match="another prepared dataset"):
        build_report(tmp_path, moved, few)
    (folder / "base" / "replies.jsonl").write_text("")
    with pytest.raises(DataError, match="replies are missing"):
        build_report(tmp_path, prepared, few)
    (folder / "base" / "scores.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        build_report(tmp_path, prepared, few)
    with pytest.raises(DataError, match="nothing has been evaluated"):
        build_report(tmp_path / "empty", prepared, few)


def test_what_stands_beside_is_in_all_three_files(tmp_path, prepared, config, evaluations, hostile):
    part = prepared.parts[0].name
    half = Interval(0.5, 0.25, 0.75)
    found = Finding(
        part=part, probe="blank image", question="Does it look?", expectation="worse", n=9, subjects=4, answered=8,
        metric="accuracy", unit="", plain=half, probed=None, change=half, same=0.25, scaling=None, verdict=hostile,
    )  # fmt: skip
    scales = replace(found, probe="half the pixel size", scaling=half, plain=None, change=None)
    rows = write_report(tmp_path, prepared, config, evaluations).rows
    beside = Beside(
        baselines={"random answer": evaluations["baseline"]},
        conditions={f"before, {hostile}": evaluations["base"]},
        probes={"base": [found, scales], "tuned": []},
        general=[replace(rows[0], part="general set")],
    )

    html = write_report(tmp_path, prepared, config, evaluations, beside).html.read_text()

    text, markdown = Page(html).text, (tmp_path / "report.md").read_text()
    content = json.loads((tmp_path / "report.json").read_text())
    assert html.count("<script") == 1
    for said in ("random answer", "blank image", "half the pixel size", "general set"):
        assert said in text
        assert said in markdown
    assert "| accuracy | 0.500 (0.250–0.750) | – | +0.500 (+0.250 to +0.750) |" in markdown
    assert "| scaling | – | – | 0.500 (0.250–0.750) |" in markdown
    assert "+0.250 to +0.750" in text
    assert text.count(hostile) > 2
    assert content["report_version"] == 1
    assert [one["probe"] for one in content["probes"]["base"]] == ["blank image", "half the pixel size"]
    assert {one["kind"] for one in content["others"]} == {"baseline", "condition"}
    assert content["general"][0]["part"] == "general set"


def test_published_numbers_and_tables_are_shown_where_there_are_any(prepared, config, evaluations):
    asked = ("Some-4B", "the grade", "all images", "accuracy", "%")
    published = Reference(*asked, None, 94.5, "A paper", "https://x.org", "split")
    table = Table("As published", ("group", "MAE mm"), (("liver", 2.345), ("kidney", None)), ("Of other images.",))
    content = replace(
        gather(prepared, config, evaluations, Beside(), ""), references=[published], tables=[table], marks=[]
    )

    text = Page(render_page(content, [], replies=0)).text

    for said in ("Some-4B", "94.5", "all images. split", "A paper", "As published", "2.3", "Of other images."):
        assert said in text
    assert "[A paper](https://x.org)" in as_markdown(content)
    assert as_json(content)["references"][0]["after"] == 94.5
