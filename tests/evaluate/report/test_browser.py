"""The report in a real browser: opened from a file, filtered, sorted, enlarged with the keyboard, in the dark."""

import pytest
from tests.evaluate.report.ugly import CLASSES, SCRIPT, answered, ugly

from medft_bm.evaluate.report.build import write_report

NARROW = {"viewport": {"width": 420, "height": 900}}


@pytest.fixture(scope="module")
def ugly_report(tmp_path_factory, checkpoint):
    folder = tmp_path_factory.mktemp("ugly")
    config, prepared = ugly(folder, checkpoint)
    both = {"base": answered(prepared, [SCRIPT, ""]), "tuned": answered(prepared, [CLASSES[3], "<b>x</b>"])}
    return write_report(folder, prepared, config, both).html


def shown(page):
    return page.locator(".cases .case:visible")


def select(page, name, value):
    page.locator(f".filters select[name={name}]").select_option(value)


def test_filters_leave_the_cases_that_fit_and_say_how_many(browse, report, config):
    page = browse(report.html)
    every = config.evaluate.examples
    said = page.locator(".filters output")
    assert shown(page).count() == every
    assert said.inner_text() == f"{every} of {every} cases shown"

    part = page.locator(".case").first.get_attribute("data-part")
    select(page, "part", part)
    few = shown(page).count()
    assert 0 < few < every
    assert said.inner_text() == f"{few} of {every} cases shown"
    assert {card.get_attribute("data-part") for card in shown(page).all()} == {part}

    select(page, "part", "")
    select(page, "reply", "no answer")
    assert {card.get_attribute("data-reply") for card in shown(page).all()} == {"no answer"}


def test_the_worst_come_first_when_asked_for(browse, report):
    page = browse(report.html)
    listed = [card.get_attribute("aria-label") for card in shown(page).all()]

    select(page, "sort", "worst")
    shares = [float(card.get_attribute("data-share")) for card in shown(page).all()]
    assert shares == sorted(shares, reverse=True)

    select(page, "sort", "listed")
    assert [card.get_attribute("aria-label") for card in shown(page).all()] == listed


def test_a_case_is_enlarged_left_and_closed_with_the_keyboard_alone(browse, report):
    page = browse(report.html)
    large = page.locator("dialog .case")
    first, second, last = (page.locator(".cases .case").nth(k).get_attribute("aria-label") for k in (0, 1, -1))
    page.locator(".cases .zoom").first.focus()

    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    assert large.get_attribute("aria-label") == first
    assert large.locator("img").bounding_box()["width"] > page.locator(".cases img").first.bounding_box()["width"]
    page.keyboard.press("ArrowLeft")
    assert large.get_attribute("aria-label") == last
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert large.get_attribute("aria-label") == second
    page.keyboard.press("Escape")

    assert page.locator("dialog").is_hidden()
    # The browser tells the page of a closed dialog a moment later; a focus that never comes is a failure here.
    page.wait_for_function(
        "name => document.activeElement.closest('.case')?.getAttribute('aria-label') === name", arg=second
    )


def test_the_layers_of_a_picture_can_be_shown_and_hidden(browse, report):
    page = browse(report.html)
    before = page.locator(".cases .layer.base")
    assert before.count() > 0
    assert before.first.is_hidden()

    page.get_by_label("before", exact=True).check()
    page.get_by_label("truth", exact=True).uncheck()

    assert before.first.is_visible()
    assert page.locator(".cases .layer.truth").first.is_hidden()


def test_a_table_is_copied_cell_by_cell(browse, report, prepared):
    page = browse(report.html)
    page.evaluate("document.addEventListener('copy', () => { window.taken = document.activeElement.value; })")

    page.get_by_role("button", name="Copy table: Table of results").click()

    lines = [line.split("\t") for line in page.evaluate("window.taken").split("\n")]
    assert {len(line) for line in lines} == {9}
    assert [line[0] for line in lines] == ["task/part", *(part.name for part in prepared.parts)]


def test_the_page_is_dark_where_the_reader_wants_it_and_light_on_paper(browse, report):
    page = browse(report.html, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"

    assert page.evaluate(ground) == "rgb(16, 19, 22)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("#metrics table").last.is_visible()


def test_without_scripts_everything_can_still_be_read(browser, report, config):
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.html.as_uri())

    assert shown(page).count() == config.evaluate.examples
    assert page.locator(".filters").is_hidden()
    assert page.locator(".legend input").first.is_hidden()
    page.close()


@pytest.mark.parametrize("how", [NARROW, {}], ids=["narrow", "wide"])
def test_hostile_names_run_nothing_and_push_nothing_off_the_page(browse, ugly_report, how):
    page = browse(ugly_report, **how)

    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.locator("script").count() == 1
    assert SCRIPT in page.locator("h3").first.inner_text()
    assert page.locator("#confusion tbody tr").count() == 80
    page.locator(".zoom").first.click()
    assert page.locator("dialog").is_visible()


def test_the_usual_report_fits_a_phone(browse, report):
    page = browse(report.html, **NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= 420
