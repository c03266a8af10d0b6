"""The page holds everything, asks no server for anything, escapes every text, and names nobody."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.inspect.conftest import config_of
from tests.pages import Page

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.inspect.make import inspect_prepared, write_page
from medft_bm.inspect.page import render
from medft_bm.inspect.pictures import data_uri

HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }}'
CHANGES = {"flip": ["left_right"], "rotate_deg": 20, "zoom": 0.2, "crop": 0.1, "intensity": 0.5, "probability": 1.0}


@pytest.fixture(scope="session")
def seen(prepared, family, config):
    return inspect_prepared(prepared, family, config, "train", 8)


@pytest.fixture(scope="session")
def html(seen, config):
    return render(seen, config)


@pytest.fixture(scope="session")
def page(html):
    return Page(html)


def test_nothing_is_asked_of_any_server(page, html):
    sources = [image["src"] for image in page.all("img")]
    assert len(sources) == 2 * 8
    assert all(source.startswith("data:image/") for source in sources)
    assert all(link["href"].startswith("#") for link in page.all("a"))
    assert "http://" not in html
    assert "https://" not in html
    assert page.all("link") == []
    assert "default-src 'none'" in page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]


def test_every_link_inside_the_page_leads_somewhere_and_every_image_is_described(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    assert all(image["alt"] for image in page.all("img"))
    assert {of for _, attrs in page.tags if (of := attrs.get("aria-labelledby"))} <= set(ids)


def test_exactly_what_carries_loss_is_coloured(page, seen):
    marked = sum(len([piece for piece in one.fed.pieces if piece.kind == "loss"]) for one in seen.examples)
    assert len(page.spans("loss")) == marked > 0
    assert len(page.spans("image")) == 8
    assert f"{seen.examples[0].fed.item.view.image_tokens} image tokens" in page.text
    assert seen.problems == []
    assert "Do not train" not in page.text


def test_pictures_are_those_the_model_sees_to_the_pixel(page, seen):
    shown = [image for image in page.all("img") if "as the model sees it" in image["alt"]]
    for image, one in zip(shown, seen.examples, strict=True):
        encoded = base64.b64decode(image["src"].split(",")[1])
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded))), one.fed.image)


def test_the_lines_over_a_picture_are_in_its_pixels(page, seen):
    views = [one.fed.item.view.size for one in seen.examples if one.part != "grades"]
    slices = [one.fed.item.sample.size for one in seen.examples if one.part != "grades"]
    boxes = [svg["viewbox"] for svg in page.all("svg") if svg.get("class") != "hist"]
    wanted = [f"0 0 {size.w} {size.h}" for pair in zip(slices, views, strict=True) for size in pair]
    assert boxes == wanted


def test_every_part_and_split_is_in_the_tables(page, prepared):
    for line in prepared.summary():
        assert line["part"] in page.text
    for reason in prepared.manifest["skipped"]:
        assert reason["why"] in page.text
    assert "major axis (mm)" in page.text


def test_no_path_and_no_subject_name_is_on_the_page(html, folder, seen):
    assert str(folder) not in html
    assert str(folder) not in json.dumps(seen.as_json())
    assert "phantom-volumes" not in html  # the folder that subjects of phantoms are named by
    assert seen.examples[0].fed.item.sample.subject in html  # a hash


def test_text_from_the_data_is_escaped_wherever_it_stands(seen, config, page):
    one = seen.examples[0]
    item = replace(
        one.fed.item,
        prompt_text=HOSTILE,
        answer_text=HOSTILE,
        uid=HOSTILE,
        sample=replace(one.fed.item.sample, tags={"label": HOSTILE, "modality": HOSTILE}, subject=HOSTILE),
    )
    pieces = [replace(piece, text=HOSTILE) for piece in one.fed.pieces]
    example = replace(one, part=HOSTILE, fed=replace(one.fed, item=item, pieces=pieces, problem=HOSTILE))
    shape = next(iter(seen.parts[1].labels[0].measures.values()))
    label = replace(seen.parts[1].labels[0], name=HOSTILE, measures={HOSTILE: shape})
    parts = [replace(seen.parts[1], name=HOSTILE, labels=[label], modalities={HOSTILE: 2}), *seen.parts[2:]]
    left_out = [{"part": HOSTILE, "why": HOSTILE, "times": 3}]
    bad = replace(seen, examples=[example], parts=parts, warnings=[HOSTILE], findings={HOSTILE: 2}, left_out=left_out)

    hostile = Page(render(bad, config))

    assert len(hostile.all("script")) == len(page.all("script")) == 1
    assert hostile.text.count('<script>alert("x")</script>') > 10
    assert "{{ 7 * 7 }}" in hostile.text


def test_a_wrong_row_is_told_in_red_at_the_top_and_beside_it(seen, config):
    one = seen.examples[0]
    bad = replace(seen, examples=[replace(one, fed=replace(one.fed, problem="an image token carries loss"))])

    page = Page(render(bad, config))

    assert len(page.all("div", **{"class": "bad", "role": "alert"})) == 1
    assert page.text.count("an image token carries loss") == 2
    assert bad.problems == [f"an image token carries loss (1 of 1 examples, such as {one.fed.item.uid})"]


def test_rows_longer_than_the_model_can_attend_to_are_counted(seen):
    assert seen.too_long == 0
    assert replace(seen, context=None).problems == []
    short = replace(seen, context=int(seen.lengths.total.min()))
    assert short.too_long == int((seen.lengths.total > seen.lengths.total.min()).sum()) > 0
    assert "longer than the model" in short.problems[0]


def test_augmentation_is_shown_as_training_will_draw_it(folder, checkpoint, prepared, family, feeder):
    from medft_bm.train.augment import Epoch, training_rows

    config = config_of(folder, checkpoint, augment=CHANGES)
    epoch = Epoch()
    rows = training_rows(prepared, family, config, epoch)

    seen = inspect_prepared(prepared, family, config, "train", 8)

    assert seen.problems == []
    changed = [one for one in seen.examples if one.variants]
    assert {one.part for one in changed} == {"organs", "lesions", "heads"}  # pixels of the grades have no known size
    for one in changed:
        for variant in one.variants:
            epoch.now = variant.epoch - 1
            row = rows[one.place]
            assert variant.fed.item.prompt_text == row["prompt"][0]["content"]
            assert variant.fed.loss_text.startswith(row["completion"][0]["content"])
            assert np.array_equal(variant.fed.image, feeder.feed(row, variant.fed.item).image)
    assert any(variant.fed.item.answer_text != one.fed.item.answer_text for one in changed for variant in one.variants)
    assert len(Page(render(seen, config)).all("img")) == 2 * 8 + sum(len(one.variants) for one in changed)


def test_held_out_rows_are_never_shown_augmented(folder, checkpoint, prepared, family):
    config = config_of(folder, checkpoint, augment=CHANGES)

    assert not any(one.variants for one in inspect_prepared(prepared, family, config, "test", 4).examples)


def test_facts_are_json_and_a_split_without_rows_is_one_message(seen, prepared, family, config):
    facts = json.loads(json.dumps(seen.as_json(), allow_nan=False))
    assert facts["tokens"]["sequence"]["max"] == int(seen.lengths.total.max())
    assert facts["problems"] == []

    empty = replace(prepared)
    empty.__dict__["tables"] = {"train": prepared.rows("train")}
    with pytest.raises(DataError, match="there are no test rows"):
        inspect_prepared(empty, family, config, "test", 4)


def test_a_page_that_cannot_be_written_is_one_message_and_leaves_nothing(seen, config, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ConfigError, match="the page cannot be written"):
        write_page(seen, config, tmp_path / "file" / "inspect.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_large_pictures_are_stored_small_and_small_ones_exactly():
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)

    assert data_uri(Image.fromarray(noise)).startswith("data:image/jpeg")
    assert data_uri(Image.fromarray(noise[:300, :300])).startswith("data:image/png")
