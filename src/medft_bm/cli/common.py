"""What several verbs share: the CONFIG argument, aligned tables, JSON, the run folder's config."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from medft_bm.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from medft_bm.config.load import Loaded
    from medft_bm.config.schema import Config
    from medft_bm.prepare.dataset import Prepared

    Verbs: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

MOVABLE: dict[str, Any] = {
    "data": {"root": True, "cache": True, "on_error": True, "mix": {"__all__": {"terms"}}},
    "model": {"dtype": True, "attention": True, "terms": True},
}
"""Keys that may differ between a training and its evaluation: another machine, not another experiment."""


def add_verb(verbs: Verbs, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A verb whose ``--help`` ends with an example."""
    return verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog="example:\n" + "\n".join(f"  {line}" for line in example.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config(verb: argparse.ArgumentParser) -> None:
    """The arguments CONFIG and key=value."""
    verb.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file, or a run folder: its config.yaml")
    verb.add_argument("words", nargs="*", metavar="key=value", help="win over CONFIG; `medft config keys` lists them")


def add_json(verb: argparse.ArgumentParser) -> None:
    """The option ``--json``."""
    verb.add_argument("--json", action="store_true", help="print JSON for programs")


def config_and_words(args: argparse.Namespace) -> tuple[Path, list[str]]:
    """The YAML file that CONFIG names, and the words.

    A run folder may have been moved since it was written: it is where it is now, whatever its config says.
    """
    path: Path = args.config
    if path.is_dir():
        return path / "config.yaml", [f"run.folder={path}", *args.words]
    return path, args.words


def load(args: argparse.Namespace) -> Loaded:
    """The config of CONFIG, the environment and the words, with the options of every task and source checked.

    Raises:
        ConfigError: every problem at once.
    """
    from medft_bm.cli.config import part_problems
    from medft_bm.config.load import Loaded, check_config, problems_error

    checked = check_config(*config_and_words(args))
    problems = [*checked.problems, *part_problems(checked)]
    if problems or checked.config is None:
        raise problems_error(problems)
    return Loaded(checked.config, checked.origins)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of one shape as aligned columns; numbers to the right."""
    if not rows:
        return "(nothing)"
    lines = [list(rows[0]), *[[_cell(value) for value in row.values()] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    columns = zip(*(row.values() for row in rows), strict=True)
    right = [all(isinstance(value, int | float) for value in column) for column in columns]
    return "\n".join(_line(cells, widths, right) for cells in lines)


def dumps(value: Any) -> str:
    """JSON for programs; anything without a JSON form as text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def is_first_process() -> bool:
    """Whether this process speaks and writes for all that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def write_config(loaded: Loaded) -> None:
    """Write ``config.yaml`` into the run folder: complete, or not at all."""
    from medft_bm.config.show import resolved_yaml

    folder = loaded.config.run.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".config.yaml.{os.getpid()}"
        unfinished.write_text(resolved_yaml(loaded), encoding="utf-8")
        unfinished.replace(folder / "config.yaml")
    except OSError as error:
        what = f"the run folder cannot be written: {error.strerror or error}"
        fix = "set run.folder to a folder that can be written"
        raise ConfigError(what, where=str(error.filename or folder), fix=fix) from error


def write_split(prepared: Prepared, run: Path) -> None:
    """Keep in the run folder who is trained on: complete, or not at all."""
    unfinished = run / f".split.json.{os.getpid()}"
    unfinished.write_bytes((prepared.folder / "split.json").read_bytes())
    unfinished.replace(run / "split.json")


def require_same_split(prepared: Prepared, run: Path) -> None:
    """Refuse to go on with a training on other subjects than it began with.

    Raises:
        DataError: the split has changed.
    """
    path = run / "split.json"
    now = json.loads((prepared.folder / "split.json").read_text(encoding="utf-8"))
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != now:
        raise DataError(
            "subjects are split in another way than when this training began",
            where=str(path),
            fix="give that file as data.split.file, or set run.folder to a new folder",
        )


def require_unseen(prepared: Prepared, run: Path, split: str) -> None:
    """Refuse to test a training on subjects it was trained on, as after an edit of the split file.

    Raises:
        DataError: some subjects of the split were for training when the run was trained.
    """
    path = run / "split.json"
    if not path.is_file():
        return
    then = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads((prepared.folder / "split.json").read_text(encoding="utf-8"))
    seen = sorted(subject for subject, place in now.items() if place == split and then.get(subject) == "train")
    if seen:
        raise DataError(
            f"{len(seen)} subject(s) of the {split} split were trained on, such as {seen[0]}",
            where=str(path),
            fix="give that file as data.split.file, or train again",
        )


def require_same_experiment(config: Config) -> None:
    """Refuse to evaluate or merge a training under another mix, split or model than it was made with.

    A changed split would ask the tuned model about patients it was trained on.

    Raises:
        ConfigError: the run folder has no config, or one that differs where it may not.
    """
    from medft_bm.config.load import load_config

    path = config.run.folder / "config.yaml"
    if not path.is_file():
        raise ConfigError(
            "this run has not been trained", where=str(path), fix="`medft train` first, or set run.folder"
        )
    trained = load_config(path, environ={}).config
    different = [key for section in MOVABLE for key in _differences(section, config, trained)]
    if different:
        raise ConfigError(
            f"{', '.join(different)} differ(s) from what this run was trained with",
            where=str(path),
            fix=f"use the run's own config: `medft ... {config.run.folder}`, or another run.folder",
        )


def _differences(section: str, config: Config, trained: Config) -> Iterator[str]:
    now, then = (getattr(which, section).model_dump(exclude=MOVABLE[section]) for which in (config, trained))
    yield from (f"{section}.{key}" for key in now if now[key] != then[key])


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
    return "  ".join(padded).rstrip()
