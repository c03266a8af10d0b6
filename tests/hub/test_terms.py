"""Licences are declared or known, and decide what may become public and under which licence."""

from __future__ import annotations

import re

import pytest
from huggingface_hub import ModelCardData

from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.config.terms import ALL, LICENCES
from medft_bm.core.errors import ConfigError
from medft_bm.hub.terms import base_id, data_licence, model_licence, objections, run_terms


def config(*licences: str, base: str = "Qwen/Qwen2.5-VL-7B-Instruct", hub: dict | None = None, **first) -> Config:
    """One part per licence; ``first`` is said of the first of them."""
    parts = [
        {
            "name": f"part {n}",
            "task": "classification",
            "source": "image_folder",
            "terms": {"licence": licence, **(first if n == 0 else {})} if licence else None,
        }
        for n, licence in enumerate(licences)
    ]
    return Config.model_validate({"data": {"mix": parts}, "model": {"name": base}, "hub": hub or {}})


def said(config: Config, what: str = "models", private: bool = False) -> list:
    return list(objections(run_terms(config), what, private=private))


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("google/medgemma-4b-it", "health-ai-developer-foundations"),
        ("google/medgemma-1.5-4b-it", "health-ai-developer-foundations"),
        ("google/gemma-3-4b-it", "gemma"),
        ("/models/medgemma-27b-it/", "health-ai-developer-foundations"),
        ("Qwen/Qwen2.5-VL-3B-Instruct", "qwen-research"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "apache-2.0"),
        ("Qwen/Qwen2.5-VL-32B-Instruct", "apache-2.0"),
        ("Qwen/Qwen2.5-VL-72B-Instruct", "qwen"),
        ("Qwen/Qwen3-VL-8B-Instruct", "apache-2.0"),
        ("some/thing", "unknown"),
    ],
)
def test_the_terms_of_known_bases_are_known_by_their_names(name, licence):
    assert run_terms(config("cc0-1.0", base=name)).base.licence.id == licence


def test_what_is_declared_wins_and_a_slip_is_named_with_its_key(tmp_path):
    text = "data: {mix: [{task: classification, source: breakhis, terms: {licence: cc-by-nc-4}}]}\nmodel: {name: a/b}\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"data\.mix\.0\.terms\.licence: .*did you mean 'cc-by-nc-4\.0'"):
        load_config(path, environ={})
    path.write_text(text.replace("cc-by-nc-4", "cc-by-nc-4.0"))
    words = ["model.terms=mit", "data.mix.0.terms.attribution=us"]
    terms = run_terms(load_config(path, words, environ={}).config)
    assert (terms.parts[0].licence.id, terms.parts[0].attribution) == ("cc-by-nc-4.0", "us")
    assert terms.base.licence.id == "mit"


def test_sources_of_one_data_set_bring_their_terms():
    mix = [{"task": "classification", "source": "breakhis"}, {"task": "detection", "source": "phantom"}]
    terms = run_terms(Config.model_validate({"data": {"mix": mix}, "model": {"name": "a/b"}}))
    assert [part.licence.id for part in terms.parts] == ["cc-by-4.0", "cc0-1.0"]
    assert "Spanhol" in terms.parts[0].attribution


@pytest.mark.parametrize("licence", ["", "data-use-agreement", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "unknown"])
@pytest.mark.parametrize("what", ["models", "data"])
def test_what_may_not_be_passed_on_blocks_a_public_push_and_warns_before_a_private_one(licence, what):
    (finding,) = said(config(licence), what)
    assert finding.blocks
    assert "part 0" in finding.what
    assert finding.where == "data.mix.0.terms"
    assert "terms" in finding.fix
    assert [one.blocks for one in said(config(licence), what, private=True)] == [False]


def test_permission_opens_what_the_licence_closes_and_the_other_way_round():
    assert said(config("data-use-agreement", redistributable=True)) == []
    assert [one.blocks for one in said(config("cc-by-4.0", redistributable=False))] == [True]


def test_an_unknown_base_blocks_the_model_and_not_the_data():
    (finding,) = said(config("cc-by-4.0", base="some/thing"))
    assert finding.where == "model.terms"
    assert said(config("cc-by-4.0", base="some/thing"), "data") == []


@pytest.mark.parametrize(
    ("licences", "apart"),
    [
        (("cc-by-sa-4.0", "cc-by-nc-sa-4.0", "cc-by-4.0"), "CC BY-NC-SA 4.0 and CC BY-SA 4.0"),
        (("cc-by-sa-4.0", "cc-by-nc-4.0"), "CC BY-NC 4.0 and CC BY-SA 4.0"),
        (("cc-by-nc-sa-4.0", "cc-by-nc-4.0", "cc-by-4.0"), None),
        (("cc-by-sa-3.0", "cc-by-sa-4.0"), None),
        (("cc-by-sa-4.0", "cc-by-4.0", "cc0-1.0"), None),
        (("cc-by-nc-4.0", "cc-by-nc-3.0"), None),
    ],
)
@pytest.mark.parametrize("what", ["models", "data"])
def test_parts_that_no_single_licence_can_keep_block_a_public_push(licences, apart, what):
    found = said(config(*licences), what)
    assert [one.blocks for one in found] == ([True] if apart else [])
    assert all(apart in one.what for one in found)
    assert [one.blocks for one in said(config(*licences), what, private=True)] == [False for _ in found]


def test_permission_for_one_part_leaves_the_others_to_their_licence():
    assert said(config("cc-by-sa-4.0", "cc-by-nc-4.0", redistributable=True)) == []


QWEN, MEDGEMMA, GEMMA, QWEN_3B = (
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "google/medgemma-4b-it",
    "google/gemma-3-4b-it",
    "Qwen/Qwen2.5-VL-3B-Instruct",
)
HAI = "health-ai-developer-foundations"


@pytest.mark.parametrize(
    ("base", "licences", "card"),
    [
        (QWEN, ("cc-by-4.0", "cc0-1.0"), "apache-2.0"),
        (QWEN, ("cc-by-4.0", "cc-by-sa-4.0"), "cc-by-sa-4.0"),
        (QWEN, ("cc-by-sa-3.0", "cc-by-sa-4.0"), "cc-by-sa-4.0"),
        (QWEN, ("cc-by-nc-4.0", "cc-by-4.0"), "cc-by-nc-4.0"),
        (QWEN, ("cc-by-nc-4.0", "cc-by-nc-sa-4.0"), "cc-by-nc-sa-4.0"),
        (QWEN, ("cc-by-sa-4.0", "cc-by-nc-4.0"), "cc-by-sa-4.0-and-cc-by-nc-4.0"),
        (QWEN, ("cc-by-sa-4.0", "cc-by-nc-sa-4.0"), "cc-by-sa-4.0-and-cc-by-nc-sa-4.0"),
        (QWEN, ("",), "unknown"),
        (QWEN, ("data-use-agreement", "cc-by-nc-4.0"), "data-use-agreement-and-cc-by-nc-4.0"),
        (MEDGEMMA, ("cc-by-4.0",), HAI),
        (MEDGEMMA, ("cc-by-sa-4.0",), f"{HAI}-and-cc-by-sa-4.0"),
        (MEDGEMMA, ("cc-by-nc-4.0", "cc-by-4.0"), f"{HAI}-and-cc-by-nc-4.0"),
        (GEMMA, ("cc-by-4.0",), "gemma"),
        (GEMMA, ("cc-by-nc-4.0",), "gemma-and-cc-by-nc-4.0"),
        (QWEN_3B, ("cc-by-4.0",), "qwen-research"),
        (QWEN_3B, ("cc-by-nc-4.0",), "qwen-research-and-cc-by-nc-4.0"),
    ],
)
def test_the_licence_of_a_model_keeps_what_base_and_data_ask(base, licences, card):
    found = model_licence(run_terms(config(*licences, base=base)))
    assert (found.name or found.id) == card
    assert found.id == (card if card in LICENCES and LICENCES[card].on_hub else "other")
    # As the Hub asks of `other`: a name in its letters, and a link where there is a text.
    assert not found.name or re.fullmatch(r"[a-z0-9.-]+", found.name)
    assert found.id != "other" or found.link.startswith("https://") or card in ("unknown", "data-use-agreement")


@pytest.mark.parametrize(
    ("licences", "card"),
    [
        (("cc-by-4.0", "cc-by-4.0"), "cc-by-4.0"),
        (("cc-by-4.0", "cc-by-sa-4.0"), "cc-by-sa-4.0"),
        (("cc-by-4.0", "cc-by-nc-4.0"), "cc-by-nc-4.0"),
        (("cc0-1.0", "cc-by-4.0"), "cc-by-4.0"),
        (("cc-by-sa-4.0", "cc-by-nc-sa-4.0"), "cc-by-sa-4.0-and-cc-by-nc-sa-4.0"),
        (("data-use-agreement", "cc-by-4.0"), "data-use-agreement"),
        (("cc-by-nc-4.0", "cc-by-nc-sa-4.0"), "cc-by-nc-sa-4.0"),
    ],
)
def test_the_licence_of_a_dataset_keeps_what_its_parts_ask_and_not_what_the_base_asks(licences, card):
    found = data_licence(run_terms(config(*licences, base="google/medgemma-4b-it")))
    assert (found.name or found.id) == card


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("what", ["data", "models"])
@pytest.mark.parametrize("base", [QWEN, MEDGEMMA, GEMMA, QWEN_3B, "some/thing"])
@pytest.mark.parametrize("licence", ALL, ids=lambda licence: licence.id)
def test_every_licence_with_every_base_is_blocked_in_public_alone_and_only_where_it_forbids(
    licence, base, what, private
):
    forbidden = licence.id in ("data-use-agreement", "unknown", "cc-by-nd-4.0", "cc-by-nc-nd-4.0")
    unknown_base = what == "models" and base == "some/thing"
    found = said(config(licence.id, base=base), what, private)
    assert len(found) == forbidden + unknown_base
    assert all(one.blocks is not private for one in found)


def test_every_licence_says_what_the_hub_and_a_reader_need():
    assert len(LICENCES) == len(ALL)
    for licence in ALL:
        ModelCardData(license=licence.id if licence.on_hub else "other", license_name=licence.id)
        assert licence.note or (licence.data and licence.models and licence.commercial and not licence.share_alike)
        assert not licence.data or licence.url


def test_every_licence_is_on_its_page(repository):
    page = (repository / "docs" / "cards.md").read_text(encoding="utf-8")
    assert [licence.id for licence in ALL if f"`{licence.id}`" not in page] == []


def test_a_base_is_called_by_its_hub_id_or_not_at_all(tmp_path):
    assert base_id(config("mit")) == "Qwen/Qwen2.5-VL-7B-Instruct"
    for place in (
        "/models/medgemma",
        "./models/medgemma",
        "script/demo/base/gemma3",
        "models\\medgemma",
        str(tmp_path),
    ):
        assert base_id(config("mit", base=place)) is None
    assert base_id(config("mit", base=str(tmp_path), hub={"base_model": "google/medgemma-4b-it"})) is not None


def test_declaring_terms_after_a_training_is_no_other_training():
    from medft_bm.cli.common import _differences
    from medft_bm.train.record import settings_of

    before, after = config(""), config("cc-by-4.0")
    assert settings_of(before) == settings_of(after)
    assert list(_differences("data", before, after)) == []
    other = config("").model_copy(update={"model": before.model.model_copy(update={"terms": "mit"})})
    assert settings_of(before) == settings_of(other)
    assert list(_differences("model", before, other)) == []
