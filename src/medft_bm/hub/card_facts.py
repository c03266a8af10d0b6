"""What a run folder says that belongs on a card; files that are not there leave their chapter out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medft_bm.config.schema import Config, Part
from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS
from medft_bm.evaluate.report.as_json import REPORT_VERSION
from medft_bm.hub.terms import HUB_ID, Given, RunTerms
from medft_bm.sources import load_source


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval; the ends are ``None`` when too few subjects are behind it."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Result:
    """One metric of one part.

    Attributes:
        part: of the mix.
        metric: its name.
        unit: of it; may be empty.
        better: ``higher``, ``lower`` or ``near 0``.
        n: questions.
        subjects: patients behind them.
        parse_rate: share of the tuned model's replies that an answer could be read from.
        baseline: of guesses that do not look at the image.
        base: before fine-tuning.
        tuned: after.
    """

    part: str
    metric: str
    unit: str
    better: str
    n: int
    subjects: int
    parse_rate: float
    baseline: Value | None
    base: Value | None
    tuned: Value | None


@dataclass(frozen=True)
class Source:
    """Where the data of one part is from.

    Attributes:
        part: of the mix.
        task: that is asked about it.
        source: its reader, with revision.
        given: the terms.
        counts: per split, samples and subjects, in words.
    """

    part: str
    task: str
    source: str
    given: Given
    counts: str


@dataclass(frozen=True)
class CardFacts:
    """Everything a card says of a run.

    Attributes:
        terms: of base and data.
        sources: a line per part.
        hub_datasets: Hub ids of datasets it was trained on.
        split: that was evaluated.
        rule: how subjects came into their splits.
        results: the table of the evaluation of these very weights; empty without one.
        note: why there is no table, or what to know of it.
        probes: part, question, verdict; of the tuned model.
        training: name and value of what shaped the weights.
        versions: of packages.
        citation: BibTeX; empty without a ``CITATION.cff`` in the run folder.
    """

    terms: RunTerms
    sources: Sequence[Source]
    hub_datasets: Sequence[str]
    split: str
    rule: str
    results: Sequence[Result]
    note: str
    probes: Sequence[Mapping[str, Any]]
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    citation: str


def card_facts(config: Config, terms: RunTerms, weights: Sequence[str] = ()) -> CardFacts:
    """Read the run folder.

    Args:
        config: of the run.
        terms: of what it was made of.
        weights: digests of what the card is for; numbers of other weights are left out.

    Raises:
        DataError: a file in it cannot be read.
    """
    run = config.run.folder
    report = _report(run)
    missing = _missing(report, weights)
    environment = _json(run / "environment.json")
    probes = report.get("probes") or {}
    return CardFacts(
        terms=terms,
        sources=[_source(part, given, report) for part, given in zip(config.data.mix, terms.parts, strict=True)],
        hub_datasets=sorted(set(_hub_datasets(config.data.mix))),
        split=report.get("split") or config.evaluate.split,
        rule=_rule(config),
        results=[] if missing else list(_results(report["results"])),
        note=missing or str(report.get("verdict") or ""),
        probes=[] if missing else probes.get("tuned") or [],
        training=_training(config, environment),
        versions=environment.get("packages") or {},
        citation=_citation(run / "CITATION.cff"),
    )


def _report(run: Path) -> dict[str, Any]:
    report = _json(run / "report.json")
    # Of a form that only a later version of this library knows, nothing else is looked at.
    return report if report.get("report_version", 1) <= REPORT_VERSION else {"later": True}


def _missing(report: Mapping[str, Any], weights: Sequence[str]) -> str:
    """Why a card of these weights has no numbers; empty where it has."""
    if report.get("later"):
        return "It was evaluated by a later version of medft_bm; its report has the numbers."
    if not weights or not (report.get("results") or {}).get("tuned"):
        return "It has not been evaluated."
    answered = (report.get("files") or {}).get("tuned")
    if not answered:
        return "Its evaluation does not say which weights answered, so that its numbers are left out."
    if not {*answered} & {*weights}:
        return "The last evaluation was of other weights than these, so that its numbers are left out."
    return ""


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the file cannot be read: {error}", where=str(path), fix="evaluate the run again") from error
    return found if isinstance(found, dict) else {}


def _results(results: Mapping[str, Any]) -> Iterator[Result]:
    """Rows for every metric of the tuned model."""
    others = {name: {part["part"]: part for part in results.get(name) or ()} for name in ("baseline", "base", "tuned")}
    for part in results["tuned"]:
        for name, metric in part["metrics"].items():
            values = {
                other: _value((of.get(part["part"]) or {}).get("metrics", {}).get(name)) for other, of in others.items()
            }
            better = {True: "higher", False: "lower"}.get(metric["higher_is_better"], "near 0")
            yield Result(
                part["part"], name, metric["unit"], better, metric["n"], part["subjects"], part["parse_rate"], **values
            )


def _value(metric: Mapping[str, Any] | None) -> Value | None:
    if metric is None or metric.get("value") is None or not math.isfinite(metric["value"]):
        return None
    return Value(metric["value"], metric.get("low"), metric.get("high"))


def _source(part: Part, given: Given, report: Mapping[str, Any]) -> Source:
    revision = load_source(part.source, part.source_options).revision
    counts = (report.get("counts") or {}).get(part.name) or {}
    said = [
        f"{split} {counts[split]['samples']} of {counts[split]['subjects']} subjects"
        for split in SPLITS
        if split in counts
    ]
    return Source(part.name, part.task, f"{part.source}, revision {revision}", given, "; ".join(said))


def _hub_datasets(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        name = part.source_options.get("repo_id") if part.source == "hf_dataset" else None
        if isinstance(name, str) and HUB_ID.fullmatch(name):
            yield name


def _rule(config: Config) -> str:
    rule = config.data.split
    if rule.file:
        return "as listed in a file"
    if rule.folds:
        return f"fold {rule.fold} of {rule.folds}, seed {rule.seed}"
    return f"by a hash of their names, seed {rule.seed}, unless the source has official splits"


def _training(config: Config, environment: Mapping[str, Any]) -> dict[str, Any]:
    train, lora = config.train, config.lora
    facts: dict[str, Any] = {"method": train.method}
    if train.method != "full":
        facts |= {"rank": lora.rank, "alpha": f"{lora.alpha:g}", "dropout": f"{lora.dropout:g}"}
    facts |= {f"{tower} tower": mode for tower, mode in config.towers.modes(train.method).items()}
    length = {"steps": train.max_steps} if train.max_steps and train.max_steps > 0 else {"epochs": train.epochs}
    facts |= {**length, "peak learning rate": train.lr, "seed": config.run.seed}
    devices = environment.get("devices")
    return facts | ({"devices": ", ".join(map(str, devices))} if devices else {})


def _citation(path: Path) -> str:
    """BibTeX of a ``CITATION.cff``."""
    if not path.is_file():
        return ""
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = [f"{one['family-names']}, {one.get('given-names', '')}" for one in facts["authors"]]
        fields = {
            "title": facts["title"],
            "author": " and ".join(names),
            "year": str(facts.get("date-released", ""))[:4],
            "doi": facts.get("doi", ""),
            "url": facts.get("repository-code", ""),
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        fix = "see citation-file-format.github.io"
        raise DataError(f"the citation cannot be read: {error!r}", where=str(path), fix=fix) from error
    lines = [f"  {key} = {{{' '.join(str(value).split())}}}," for key, value in fields.items() if value]
    return "\n".join(["@misc{model,", *lines, "}"])
