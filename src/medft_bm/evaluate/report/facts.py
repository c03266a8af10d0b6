"""What a report says about where its numbers come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.evaluate.compare import TITLES, Row, Who
from medft_bm.evaluate.report.words import count, outcome
from medft_bm.evaluate.run import Evaluation, versions
from medft_bm.prepare.dataset import Prepared

LIMITS = (
    "Research only. This is not a medical device; no number here supports a decision about a patient.",
    "The results hold for images like those of the test split: same scanners, same annotators, same questions.",
    "Intervals cover which subjects were drawn for the test split; they do not cover another training run or seed.",
    "Every question was asked once, with greedy decoding and a fixed wording.",
)


@dataclass(frozen=True)
class Facts:
    """Facts of one report.

    Attributes:
        model: name of the model.
        date: to print; may be empty.
        lines: name and value, in the order to show.
        counts: per part and split, samples, images and subjects.
        versions: of packages.
        files: per model, digests of the weights on disk that its numbers speak for; empty where nobody knows.
        split: that was evaluated.
        resamples: behind every interval.
        commands: that make the report again, in a folder with the run's ``config.yaml``.
    """

    model: str
    date: str
    lines: tuple[tuple[str, str], ...]
    counts: Mapping[str, Mapping[str, Mapping[str, Any]]]
    versions: Mapping[str, str]
    files: Mapping[Who, Sequence[str]]
    split: str
    resamples: int
    commands: tuple[str, ...]


def gather_facts(prepared: Prepared, config: Config, evaluations: Mapping[Who, Evaluation], date: str) -> Facts:
    """Facts from the prepared data, the config and the evaluations."""
    split = next(iter({of.about["split"] for of in evaluations.values() if of.about}), config.evaluate.split)
    lines = [("model", model_name(config)), *([("revision", config.model.revision)] if config.model.revision else [])]
    for who, of in evaluations.items():
        if of.about:
            lines.append((TITLES[who], _asked(of.about)))
    said = sorted({of.about["system"] for of in evaluations.values() if of.about.get("system")})
    lines += [("system prompt", " ".join(text.split())) for text in said]
    found = versions()
    lines += [
        ("method", _method(config)),
        ("data", f"prepared as {prepared.folder.name}"),
        ("split", f"{split}, grouped by subject, {_rule(config)}"),
        ("seed", str(config.run.seed)),
        ("budget", f"{config.evaluate.max_new_tokens} tokens per reply, greedy"),
        ("intervals", f"95 %, {config.evaluate.bootstrap} resamples of subjects"),
        ("config", f"SHA-256 {config_digest(config)}, folders and machine left out"),
        ("versions", ", ".join(f"{name} {number}" for name, number in found.items())),
        *([("date", date)] if date else []),
    ]
    return Facts(
        model=model_name(config),
        date=date,
        lines=tuple(lines),
        counts=_counts(prepared),
        versions=found,
        files={who: of.about.get("files", ()) for who, of in evaluations.items() if of.about},
        split=split,
        resamples=config.evaluate.bootstrap,
        commands=_commands(evaluations, found.get("medft_bm", "")),
    )


def config_digest(config: Config) -> str:
    """16 hex digits of everything in the config that is no place on a machine."""
    places = {"data": {"root", "cache"}, "prepare": True, "run": {"folder"}}
    facts = config.model_dump(mode="json", exclude=places)  # type: ignore[arg-type]
    facts["model"]["name"] = model_name(config)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _asked(about: Mapping[str, Any]) -> str:
    """Which weights answered, where, and in what time."""
    said = [f"weights {about['model']}"] if about.get("model") else []
    where = " on ".join(str(about[key]) for key in ("dtype", "device") if about.get(key))
    return ", ".join([*said, *([where] if where else []), f"{about['seconds']:g} s", *about.get("remarks", ())])


def _commands(evaluations: Mapping[Who, Evaluation], version: str) -> tuple[str, ...]:
    verbs = {"base": "medft evaluate config.yaml --model base", "tuned": "medft evaluate config.yaml"}
    return (f"pip install 'medft_bm[train]=={version}'", *(verbs[who] for who in evaluations if who in verbs))


def model_name(config: Config) -> str:
    """The model as a reader knows it: a Hub id, or the last folder of a path, never a path on this machine."""
    name = config.model.name
    return Path(name).name if Path(name).is_absolute() or name.startswith(".") or name.count("/") > 1 else name


def title_of(config: Config) -> str:
    """Title of the report."""
    return f"{model_name(config)}: before and after"


def verdict(rows: Sequence[Row]) -> str:
    """One sentence on the headline metrics."""
    headlines = [row for row in rows if row.headline]
    compared = [row for row in headlines if "tuned" in row.results]
    if not compared:
        return "Only the model before fine-tuning has been evaluated so far."
    better = sum(row.beats("baseline") is True for row in compared)
    trivial = f"better than the trivial baseline in {count(better, len(compared), 'part')}"
    if not any("base" in row.results for row in compared):
        return f"The fine-tuned model is {trivial}; the model before fine-tuning has not been evaluated."
    # A model that gave no readable answer has no mean error to be beaten; answering at all is better.
    won = sum(row.beats("base") is True or _only_after(row) for row in compared)
    settled = sum(row.beats("base") is True and outcome(row) == "better" for row in compared)
    return (
        f"By its headline metric, the fine-tuned model is better than before in {count(won, len(compared), 'part')} "
        f"(settled by the interval of the change in {settled} of them), and {trivial}."
    )


def _counts(prepared: Prepared) -> dict[str, dict[str, dict[str, Any]]]:
    counts: dict[str, dict[str, dict[str, Any]]] = {part.name: {} for part in prepared.parts}
    for line in prepared.summary():
        counts[line["part"]][line["split"]] = {key: line[key] for key in ("samples", "images", "subjects")}
    return counts


def _rule(config: Config) -> str:
    return "as listed in a file" if config.data.split.file else f"seed {config.data.split.seed}"


def _only_after(row: Row) -> bool:
    return row.value("tuned") is not None and row.value("base") is None


def _method(config: Config) -> str:
    modes = config.towers.modes(config.train.method)
    whole = [name for name, mode in modes.items() if mode == "full"]
    if config.train.method == "full":
        return f"full fine-tuning of {', '.join(whole)}"
    name = {"lora": "LoRA", "qlora": "QLoRA"}[config.train.method]
    adapted = ", ".join(part for part, mode in modes.items() if mode == "lora")
    also = f", all of {', '.join(whole)}" if whole else ""
    return f"{name}, rank {config.lora.rank}, alpha {config.lora.alpha:g}, on {adapted}{also}"
