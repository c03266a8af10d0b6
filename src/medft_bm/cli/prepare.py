"""``medft prepare``: from raw files to rows that are ready to train on and to score."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, table
from medft_bm.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.models.base import ModelFamily
    from medft_bm.prepare.dataset import Prepared
    from medft_bm.prepare.findings import Finding
    from medft_bm.prepare.verify import Report
    from medft_bm.prepare.why import Why

log = logging.getLogger(__name__)

SHOWN = 20
"""Lines printed of findings that differ only in their values; the report has all of them."""

EXAMPLES = """
medft prepare tasks/demo.yaml data.limit.train=100 data.limit.test=-1
medft prepare tasks/demo.yaml --verify --report report.json   # read all raw data and say what is wrong with it
medft prepare tasks/demo.yaml data.seed=1 --why               # which fact differs from what is in the cache
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "prepare", "build the rows for training and scoring, or reuse them", EXAMPLES)
    add_config(verb)
    instead = verb.add_mutually_exclusive_group()
    instead.add_argument(
        "--verify",
        action="store_true",
        help="build nothing: read every raw file whole and print what is wrong with it; exit code 4 if anything is",
    )
    instead.add_argument(
        "--why", action="store_true", help="build nothing: say what differs from the nearest entry of the cache"
    )
    verb.add_argument("--report", type=Path, metavar="FILE", help="with --verify: write all findings as JSON too")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare and print what there is, or one of the two questions instead."""
    if args.report and not args.verify:
        raise ConfigError("--report goes with --verify", where="medft prepare", fix="add --verify, or drop --report")
    if args.verify:
        return _verify(args)
    if args.why:
        return _why(args)
    prepared, _ = prepared_rows(load(args).config)
    rows, about = prepared.summary(), prepared.manifest
    if args.json:
        skipped, findings = about["skipped"], about["findings"]
        print(dumps({"folder": prepared.folder, "summary": rows, "skipped": skipped, "findings": findings}))
    else:
        notes = "".join(f"{line}\n" for line in _notes(about["skipped"], about["findings"]))
        print(f"{table(rows)}\n\n{notes}{prepared.folder}")
    return 0


def prepared_rows(config: Config) -> tuple[Prepared, ModelFamily]:
    """The prepared dataset of a config, built only when it is not in the cache, and the family it is made for."""
    from medft_bm.prepare.dataset import prepare_dataset

    family = _family(config)
    return prepare_dataset(config.data, family, config.prepare), family


def trained_rows(config: Config) -> tuple[Prepared, ModelFamily]:
    """As :func:`prepared_rows`; when the raw data is gone, the rows that the run folder's training was given."""
    from medft_bm.prepare.dataset import open_prepared
    from medft_bm.train.record import read_record

    try:
        return prepared_rows(config)
    except DataError as error:
        record = read_record(config.run.folder)
        folder = config.data.cache / "prepared" / record.data if record else None
        if folder is None or not folder.is_dir():
            raise
        log.warning("%s; taking the rows that this run was trained with: %s", error.what, folder)
        return open_prepared(folder), _family(config)


def _family(config: Config) -> ModelFamily:
    from medft_bm.models import load_model_family
    from medft_bm.models.pixels import Pixels

    model = config.model
    pixels = Pixels(model.min_pixels, model.max_pixels)
    return load_model_family(model.name, model.family, model.revision, pixels)


def _notes(skipped: Sequence[dict[str, Any]], findings: dict[str, int]) -> Iterator[str]:
    """What was left out, and how often the audit of the split found what."""
    yield from (f"{one['part']}: left out {one['times']}: {one['why']}" for one in skipped)
    if findings:
        counts = ", ".join(f"{kind} ({times})" for kind, times in findings.items())
        yield f"warnings about the data: {counts}"
    if skipped or findings:
        yield ""


def _verify(args: argparse.Namespace) -> int:
    from medft_bm.prepare.verify import verify

    # Raw data can be checked before a model is chosen, and no model is looked at here.
    args.words = [*args.words, "model.name=none"]
    config = load(args).config
    if args.report and not args.report.parent.is_dir():  # not to be found out after hours of reading
        raise _unwritable(args.report, "its folder does not exist")
    report = verify(config.data, config.prepare)
    print(dumps(report.as_json()) if args.json else "\n".join(_lines(report)))
    if args.report:
        _write(report, args.report)
    return 0 if report.ok else DataError.exit_code


def _write(report: Report, path: Path) -> None:
    """Write the report: complete, or not at all."""
    from medft_bm.prepare.cache import write_json

    unfinished = path.with_name(f".{path.name}.draft")
    try:
        write_json(unfinished, report.as_json())
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, why: str) -> ConfigError:
    fix = "give a file in a folder that can be written"
    return ConfigError(f"the report cannot be written: {why}", where=str(path), fix=fix)


def _lines(report: Report) -> Iterator[str]:
    yield table([_part_line(facts) for facts in report.parts])
    yield ""
    times = Counter(finding.family for finding in report.findings)
    said: Counter[tuple[str, str]] = Counter()
    for finding in report.findings:
        said[finding.family] += 1
        if said[finding.family] <= SHOWN:
            yield _line(finding)
        if said[finding.family] == SHOWN and times[finding.family] > SHOWN:
            yield f"{'':9}and {times[finding.family] - SHOWN} more like these; --json and --report have all"
    if report.findings:
        yield ""
    counts = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in report.counts.items())
    yield f"{counts} in {report.units} unit(s) of {len(report.parts)} part(s)"


def _line(finding: Finding) -> str:
    place = f"{finding.part}: {finding.file}: " if finding.file else f"{finding.part}: "
    return f"{finding.level + ':':9}{place}{finding.what}; fix: {finding.fix}"


def _part_line(facts: dict[str, Any]) -> dict[str, Any]:
    left_out = sum(one["times"] for one in facts["left_out"])
    counts = {name: facts[name] for name in ("units", "subjects", "records", "samples")}
    return {"part": facts["part"], "source": facts["source"], **counts, "left out": left_out}


def _why(args: argparse.Namespace) -> int:
    from medft_bm.prepare.cache import entry_folder
    from medft_bm.prepare.index import ask, watch
    from medft_bm.prepare.rows import rows_facts
    from medft_bm.prepare.samples import samples_facts
    from medft_bm.prepare.why import why

    config = load(args).config
    data, family = config.data, _family(config)
    asked = ask(data)
    samples = samples_facts(data, asked, [watch(one) for one in asked])
    rows = rows_facts(entry_folder(data.cache, "samples", samples).name, family)
    stages = {kind: why(data.cache, kind, facts) for kind, facts in (("samples", samples), ("prepared", rows))}
    if args.json:
        print(dumps({kind: vars(stage) for kind, stage in stages.items()}))
    else:
        names = {"samples": "pictures and truths", "prepared": f"rows for {family.name}"}
        print("\n".join(line for kind, stage in stages.items() for line in _why_lines(names[kind], stage)))
    return 0


def _why_lines(name: str, stage: Why) -> Iterator[str]:
    if stage.cached:
        yield f"{name}: in the cache already: {stage.cached}"
    elif stage.nearest is None:
        yield f"{name}: nothing cached yet"
    else:
        yield f"{name}: not in the cache; what differs from {stage.nearest}:"
        yield from (f"  {line}" for line in stage.differences)
