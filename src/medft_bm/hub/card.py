"""The cards of what is pushed: what it is, what it was made of, what it can do, and how to load it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from huggingface_hub import DatasetCard, EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medft_bm.config.schema import Config
from medft_bm.evaluate.report.facts import LIMITS
from medft_bm.hub.card_facts import CardFacts, Result, Value, card_facts
from medft_bm.hub.guard import clean_config
from medft_bm.hub.terms import CardLicence, RunTerms, base_id, base_name, data_licence, model_licence
from medft_bm.prepare.card import escaped

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
ELSEWHERE = ("prepare", "wandb", "hub", "run")
"""Sections of the config that say nothing about the model."""
LIBRARIES = {"lora": "peft", "merged": "transformers"}


class Raw(str):
    """A text that is Markdown already, or stands in a block of code."""


def model_card(
    config: Config,
    terms: RunTerms,
    *,
    what: Literal["lora", "merged"],
    repository: str,
    question: str,
    weights: Sequence[str] = (),
) -> str:
    """The card of an adapter or a model, from what the run folder holds.

    Args:
        config: of the run.
        terms: of what it was made of.
        what: an adapter, or a model that needs none.
        repository: account/name, for the examples.
        question: a prompt from the prepared rows, which shows how to ask; with no identifier in it.
        weights: digests of what it is the card of (see :func:`~medft_bm.models.content.weights_in`); only numbers of
            an evaluation of these are on it.

    Raises:
        DataError: a file of the run folder cannot be read.
    """
    facts = card_facts(config, terms, weights)
    if weights and not facts.results:
        log.warning("no numbers on the card of %s: %s %s", repository, facts.note, _evaluate(config, what))
    text = _environment().get_template("model.md.jinja").render(
        config=config,
        facts=facts,
        limits=LIMITS,
        what=what,
        repository=Raw(repository),
        name=repository.rsplit("/", 1)[-1],
        base=base_name(config),
        base_link=_base_link(config),
        question=Raw(json.dumps(question, ensure_ascii=False)),
        recipe=_recipe(config),
    )  # fmt: skip
    return f"---\n{_model_head(config, terms, what, repository, facts)}\n---\n{text}"


def _evaluate(config: Config, what: str) -> str:
    which = "adapter" if what == "lora" else "merged"
    return f"Before you push again: `medft evaluate {config.run.folder} --model {which}`"


def dataset_card(config: Config, terms: RunTerms, *, folder: Path, repository: str) -> str:
    """The card that preparation wrote, with the terms, the limits and how to load it.

    Args:
        config: of the run.
        terms: of its parts.
        folder: of the prepared dataset.
        repository: account/name.
    """
    card = DatasetCard((folder / "README.md").read_text(encoding="utf-8"))
    licence = data_licence(terms)
    # Without its title, which says no more than the name of the repository.
    body = card.text.split("\n## ", 1)[0].strip().removeprefix("# Questions about medical images").strip()
    tables = card.text.split("\n## ", 1)[-1]
    head: Any = card.data
    data = {**_licence_head(licence), **head.to_dict()}
    data["tags"] = [*data.get("tags", ()), *(["demo"] if config.demo else ())]
    text = _environment().get_template("dataset.md.jinja").render(
        demo=config.demo,
        name=repository.rsplit("/", 1)[-1],
        repository=Raw(repository),
        intro=Raw(body),
        tables=Raw(f"## {tables.strip()}"),
        facts=card_facts(config, terms),
    )  # fmt: skip
    return f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---\n{text}"


def _model_head(config: Config, terms: RunTerms, what: str, repository: str, facts: CardFacts) -> str:
    head: dict[str, Any] = {
        **_licence_head(model_licence(terms)),
        "language": "en",
        "library_name": LIBRARIES[what],
        "pipeline_tag": "image-text-to-text",
        "tags": _tags(config, what),
        "datasets": list(facts.hub_datasets) or None,
        "model_name": repository,
        "eval_results": _results(facts) or None,
    }
    if base_id(config):
        relation = "adapter" if what == "lora" else "finetune"
        head |= {"base_model": base_id(config), "base_model_relation": relation}
    return str(ModelCardData(**head).to_yaml())


def _tags(config: Config, what: str) -> list[str]:
    tasks = sorted({part.task for part in config.data.mix})
    return ["medical", "medft_bm", *tasks, *(["lora"] if what == "lora" else []), *(["demo"] if config.demo else [])]


def _licence_head(licence: CardLicence) -> dict[str, Any]:
    more = {"license_name": licence.name, "license_link": licence.link}
    return {"license": licence.id, **{key: value for key, value in more.items() if value}}


def _results(facts: CardFacts) -> list[EvalResult]:
    """The tuned model's numbers, as the Hub's model index takes them."""
    return [
        EvalResult(
            task_type="image-text-to-text",
            task_name=row.part,
            dataset_type=row.part,
            dataset_name=row.part,
            dataset_split=facts.split,
            metric_type=row.metric,
            metric_name=f"{row.metric} ({row.unit})" if row.unit else row.metric,
            metric_value=row.tuned.value,
            metric_args=_behind(row, row.tuned),
        )
        for row in facts.results
        if row.tuned is not None
    ]


def _behind(row: Result, value: Value) -> dict[str, Any]:
    """What stands behind a number."""
    ends = {"low_95": value.low, "high_95": value.high}
    return {"samples": row.n, "subjects": row.subjects, **{key: end for key, end in ends.items() if end is not None}}


def _base_link(config: Config) -> Raw:
    name = escaped(base_name(config))
    return Raw(f"[{name}](https://huggingface.co/{base_id(config)})" if base_id(config) else name)


def _recipe(config: Config) -> Raw:
    settings = {name: value for name, value in clean_config(config).items() if name not in ELSEWHERE}
    return Raw(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=10**6))


def _environment() -> Environment:
    """Everything that is put into a template is text, and shown as it is, unless it is marked as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Raw) else escaped(str(value)),
    )
    environment.filters["raw"] = Raw
    return environment
