"""The page in a real browser: opened from a file, filtered, on a telephone, in the dark."""

from __future__ import annotations

import pytest

from medft_bm.inspect.make import inspect_prepared, write_page


@pytest.fixture(scope="module")
def file(prepared, family, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "inspect.html"
    write_page(inspect_prepared(prepared, family, config, "train", 8), config, path)
    return path


def test_examples_can_be_narrowed_down_to_a_part_and_a_label(browse, file):
    page = browse(file)
    assert page.locator("#shown").inner_text() == "8 of 8 examples"

    page.locator("select[name=part]").select_option("lesions")

    assert page.locator("#shown").inner_text() == "2 of 8 examples"
    assert page.locator("article:visible").count() == 2
    page.locator("select[name=label]").select_option(index=1)
    assert {one.get_attribute("data-part") for one in page.locator("article:visible").all()} <= {"lesions"}


def test_the_truth_can_be_taken_off_the_images_with_the_keyboard(browse, file):
    page = browse(file)
    lines = page.locator(".canvas svg")
    assert lines.first.is_visible()

    page.get_by_label("show the truth").press("Space")

    assert not any(one.is_visible() for one in lines.all())


def test_the_lines_lie_over_the_whole_picture_and_nothing_else(browse, file):
    page = browse(file)
    for canvas in page.locator(".canvas:has(svg)").all():
        picture, lines = (canvas.locator(what).bounding_box() for what in ("img", "svg"))
        assert picture == pytest.approx(lines, abs=0.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_scrolls_in_one_direction_only(browse, file, scheme):
    page = browse(file, viewport={"width": 420, "height": 800}, color_scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") == 420
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_without_scripts_every_example_can_be_read_and_no_filter_pretends_to_work(browser, file):
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())

    assert page.locator("article:visible").count() == 8
    assert not page.locator("#filters").is_visible()
    page.close()
