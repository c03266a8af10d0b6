"""The page on sources: no source is forgotten."""

from __future__ import annotations

import re

import pytest
import yaml

from medft_bm.sources import SOURCES
from medft_bm.sources.tables import SPLIT_NAMES

PAGE = "docs/sources.md"


@pytest.fixture
def about(page):
    return page(PAGE)


def test_every_source_is_in_the_table_and_has_an_example_here_or_on_its_own_page(about):
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(([^)]+)\)", about.text, re.MULTILINE))
    assert sorted(rows) == SOURCES.names()
    shown = {part["source"] for block in about.blocks("yaml") for part in yaml.safe_load(block)["data"]["mix"]}
    assert {name for name, place in rows.items() if place.startswith("#")} == shown


def test_every_place_on_the_page_that_is_linked_exists(about):
    headings = re.findall(r"^#+ (.+)$", about.prose, re.MULTILINE)
    places = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", about.prose)) <= places


def test_every_name_of_a_split_is_listed(about):
    assert set(SPLIT_NAMES) <= set(about.spans)
