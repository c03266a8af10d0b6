"""Who and what must not leave with a model or a dataset: identities, places of this machine, secrets, foreign files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from medft_bm.config.public import PATH, public_config
from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.hub.guard_columns import Sieve
from medft_bm.hub.guard_findings import Finding
from medft_bm.hub.guard_names import Known
from medft_bm.hub.guard_patterns import matches
from medft_bm.hub.guard_texts import VOCABULARY, Column, Text, texts_of
from medft_bm.hub.names import What
from medft_bm.hub.terms import HUB_ID, RunTerms, base_id, objections

SENDABLE = frozenset((".json", ".md", ".txt", ".jinja", ".safetensors", ".model", ".arrow", ".parquet"))
"""Ends of names of files that may leave; everything else is a pickle, a log, an image, or not ours."""
CARD = "README.md"
PLACES = frozenset(("root", "cache", "folder", "file", "token_file", "key_file", "key_variable", "url", "entity"))
"""Keys of the config that say where something is on this machine, or who asks for it."""


def check_outgoing(
    folder: Path, config: Config, terms: RunTerms, known: Known, *, what: What, private: bool
) -> list[Finding]:
    """Everything that speaks against sending this folder, or should be told before.

    Every text in it is read: names of files, JSON, cards and templates, the head of weights, and the text columns of
    tables. Weights and pixels are not.

    Args:
        folder: with exactly the files that would leave, the card among them.
        config: of the run.
        terms: of what it was made of.
        known: identifiers of this run, which must appear nowhere.
        what: it is.
        private: only the account will see it.
    """
    made: Literal["data", "models"] = "data" if what == "data" else "models"
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return [
        *objections(terms, made, private=private),
        *dict.fromkeys(finding for path in files for finding in _file_findings(path, folder, known)),
        *_card_findings(folder, config),
        *(subjects_findings(config) if what == "data" else ()),
        *(_base_findings(folder) if what == "lora" else ()),
        *known.gaps,
    ]


def _file_findings(path: Path, folder: Path, known: Known) -> Iterator[Finding]:
    name = path.relative_to(folder).as_posix()
    yield from _text_findings(Text(name, f"the name of {known.masked(name)}"), known)
    if path.is_symlink():
        yield Finding("is a link to somewhere else", known.masked(name), "replace it by the file")
    elif path.suffix not in SENDABLE:
        fix = "remove it: only weights as safetensors, JSON, texts and tables are sent"
        yield Finding(f"is no kind of file that is sent ({path.suffix or 'no ending'})", known.masked(name), fix)
    else:
        vocabulary, sieve = path.name in VOCABULARY, Sieve(known)
        for text in texts_of(path, known.masked(name)):
            if isinstance(text, Column):
                text = Text("\n".join(sieve.suspicious(text.values)), text.where)
            yield from _text_findings(text, known, vocabulary=vocabulary)


def _text_findings(text: Text, known: Known, *, vocabulary: bool = False) -> Iterator[Finding]:
    """One finding per line and kind."""
    if not _found_in(text.content, known, vocabulary):
        return
    for number, line in enumerate(text.content.splitlines(), 1):
        where = f"{text.where}:{number}" if text.lines else text.where
        for what, fix in _found_in(line, known, vocabulary).items():
            yield Finding(what, where, fix)


def _found_in(text: str, known: Known, vocabulary: bool) -> dict[str, str]:
    """What it holds, and what to do about it; a tokenizer's words hold every name there is, but no file's."""
    if vocabulary:
        return dict(known.found_in(text, words=False))
    return dict([*known.found_in(text), *matches(text)])


def _card_findings(folder: Path, config: Config) -> Iterator[Finding]:
    path = folder / CARD
    if not path.is_file():
        yield Finding("there is no card", CARD, "write one: medft_bm.hub.card makes it")
    elif config.demo and "DEMO" not in path.read_text(encoding="utf-8", errors="replace"):
        yield Finding("the card does not say DEMO, and the run is one", CARD, "make the card again")


def subjects_findings(config: Config) -> Iterator[Finding]:
    """Against sending prepared data: hashes of short names can be guessed by hashing all of them without a secret."""
    if not config.data.salt and not config.demo:
        what = "subjects are hashed without a secret, so whoever guesses a patient's number can look it up"
        fix = "set data.salt to a long random text that you keep, and prepare again"
        yield Finding(what, "data.salt", fix)


def _base_findings(folder: Path) -> Iterator[Finding]:
    path = folder / "adapter_config.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        yield Finding("does not say which model it belongs to", path.name, "train again")
        return
    if not isinstance(said, str) or not HUB_ID.fullmatch(said) or PATH.match(said) or Path(said).is_dir():
        fix = "set hub.base_model to the Hub id of the base model, such as google/medgemma-4b-it"
        yield Finding("base_model_name_or_path is a folder of this machine", path.name, fix)


def name_base(folder: Path, config: Config) -> None:
    """Let an adapter's config, and the revision in it, say what the base model is called on the Hub.

    Args:
        folder: a copy of the adapter; its ``adapter_config.json`` is rewritten.
        config: of the run.

    Raises:
        ConfigError: only a folder of this machine is known.
    """
    known = base_id(config)
    if known is None:
        raise ConfigError(
            "an adapter says which model it belongs to, and this one's is a folder of this machine",
            where="model.name",
            fix="set hub.base_model to the Hub id of the base model, such as google/medgemma-4b-it",
        )
    path = folder / "adapter_config.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    changed = {**facts, "base_model_name_or_path": known, "revision": config.model.revision}
    path.unlink()  # another name of the same file stays as it is
    path.write_text(json.dumps(changed, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def clean_config(config: Config) -> dict[str, Any]:
    """What may be told of a config: without secrets, folders, files, addresses and accounts."""
    cleaned: dict[str, Any] = _without_places(public_config(config))
    cleaned["model"]["name"] = base_id(config) or cleaned["model"]["name"]
    return cleaned


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(child) for key, child in value.items() if key not in PLACES}
    return [_without_places(child) for child in value] if isinstance(value, list | tuple) else value
