"""Under which terms the raw data and the base model of a run were given, and what follows for what is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft_bm.config.public import PATH
from medft_bm.config.schema import Config, Part
from medft_bm.config.terms import LICENCES, Licence, Terms
from medft_bm.hub.guard_findings import Finding

SOURCES = {
    "phantom": Terms(licence="cc0-1.0", attribution="Synthetic images, drawn by medft_bm."),
    "breakhis": Terms(
        licence="cc-by-4.0",
        attribution="BreakHis: Spanhol, Oliveira, Petitjean and Heutte, IEEE TBME 63(7):1455-1462, 2016.",
        url="https://doi.org/10.1109/TBME.2015.2496264",
    ),
}
"""Sources that read one data set, whose terms are known."""
BASES = (
    (r"medgemma|medsiglip", "health-ai-developer-foundations"),
    (r"gemma-3", "gemma"),
    (r"qwen2\.5-vl-3b", "qwen-research"),
    (r"qwen2\.5-vl-72b", "qwen"),
    (r"qwen2\.5-vl-(7|32)b|qwen3-vl-\d", "apache-2.0"),
)
"""How the names of known checkpoints begin, without their account, and their licences."""

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
"""Account and name."""


@dataclass(frozen=True)
class Given:
    """One thing that a run was made of, and the terms it came with.

    Attributes:
        name: of the part of the mix, or of the base model.
        key: in the config, where its terms are declared.
        licence: what the terms say.
        attribution: whom to name.
        url: where it is from.
        redistributable: what the user said of it; ``None``: as the licence says.
    """

    name: str
    key: str
    licence: Licence
    attribution: str = ""
    url: str = ""
    redistributable: bool | None = None

    def may_be_public(self, what: Literal["data", "models"]) -> bool:
        """Whether prepared data, or a model, that was made of it may be passed on to everybody."""
        return bool(getattr(self.licence, what)) if self.redistributable is None else self.redistributable


@dataclass(frozen=True)
class RunTerms:
    """The terms of everything that a run was made of."""

    base: Given
    parts: tuple[Given, ...]


@dataclass(frozen=True)
class CardLicence:
    """The licence of what is pushed, as the head of a card says it.

    Attributes:
        id: of the Hub, or ``other``.
        name: of the licence when it is ``other``.
        link: to its text; may be empty.
    """

    id: str
    name: str = ""
    link: str = ""


def run_terms(config: Config) -> RunTerms:
    """What is declared in the config, and what is known of sources and checkpoints."""
    return RunTerms(_base(config), tuple(_part(number, part) for number, part in enumerate(config.data.mix)))


def base_id(config: Config) -> str | None:
    """Hub id of the base model; ``None`` when only a folder of this machine is known."""
    if config.hub.base_model:
        return config.hub.base_model
    name = config.model.name
    return name if HUB_ID.fullmatch(name) and not PATH.match(name) and not Path(name).is_dir() else None


def base_name(config: Config) -> str:
    """The base model as a reader may know it: its Hub id, or the last name of its folder."""
    return base_id(config) or re.split(r"[/\\]", config.model.name.rstrip("/\\"))[-1]


def _base(config: Config) -> Given:
    name = base_name(config)
    known = next((found for start, found in BASES if re.match(start, name.rsplit("/", 1)[-1].lower())), "unknown")
    if known == "unknown" and config.demo:
        known = "apache-2.0"  # the demo's tiny models come with this library
    at = f"https://huggingface.co/{base_id(config)}" if base_id(config) else ""
    return Given(name, "model.terms", LICENCES[config.model.terms or known], url=at)


def _part(number: int, part: Part) -> Given:
    terms = part.terms or SOURCES.get(part.source) or Terms(licence="unknown")
    key = f"data.mix.{number}.terms"
    licence = LICENCES[terms.licence]
    return Given(part.name, key, licence, " ".join(terms.attribution.split()), terms.url, terms.redistributable)


def objections(terms: RunTerms, what: Literal["data", "models"], *, private: bool) -> Iterator[Finding]:
    """Why the data, or the model, may not become public; in a private repository these are warnings.

    Args:
        terms: of the run.
        what: is to be pushed.
        private: only the account will see it.
    """
    given = terms.parts if what == "data" else (terms.base, *terms.parts)
    for one in given:
        if not one.may_be_public(what):
            yield Finding(
                f"{one.name}: {one.licence.title} {'does' if one.licence.id != 'unknown' else 'do'} not allow "
                f"{'the data' if what == 'data' else 'a model made with it'} to become public",
                where=one.key,
                fix=_how_to_declare(one),
                blocks=not private,
            )
    apart = _apart(terms.parts)
    if apart:
        yield Finding(
            f"parts under {' and '.join(sorted({one.licence.title for one in apart}))} are mixed, and no licence of "
            f"the whole keeps what each of them asks",
            where=", ".join(one.key for one in apart),
            fix="push privately, or train on parts that go together",
            blocks=not private,
        )


def _apart(parts: Sequence[Given]) -> list[Given]:
    """The parts of which at least one is share-alike, if none of their licences keeps what all of them ask.

    Those that may not be passed on anyway are told of elsewhere, and permission lifts what a licence asks.
    """
    asking = [one for one in parts if one.licence.models and one.licence.note and not one.redistributable]
    kept = any(all(_keeps(whole.licence, one.licence) for one in asking) for whole in asking)
    return asking if any(one.licence.share_alike for one in asking) and not kept else []


def _how_to_declare(one: Given) -> str:
    declared = f"{one.key}=LICENCE" if one.key == "model.terms" else f"{one.key}.licence=LICENCE"
    if one.licence.id == "unknown":
        return f"set {declared}, after reading its terms (docs/cards.md lists the ids), or push privately"
    if one.key == "model.terms":
        return "push privately"
    return f"push privately; if you were given permission, set {one.key}.redistributable=true"


def model_licence(terms: RunTerms) -> CardLicence:
    """The licence of a model: what base and data ask together; where nobody asks for anything, that of the base."""
    return _together([terms.base.licence, *(one.licence for one in terms.parts)])


def data_licence(terms: RunTerms) -> CardLicence:
    """The licence of a prepared dataset: what its parts ask together."""
    # Where none of them asks for more than its name, the one that asks for its name goes first.
    licences = sorted((one.licence for one in terms.parts), key=lambda licence: not licence.id.startswith("cc-by"))
    return _together(licences)


def _together(licences: Sequence[Licence]) -> CardLicence:
    """The one licence that keeps what all of them ask, or all that are needed for that; the first if none asks."""
    asking = list(dict.fromkeys(licence for licence in licences if licence.note))
    needed = [one for one in asking if not any(_keeps(other, one) for other in asking if other != one)]
    if len(needed) < 2:
        return _on_card(needed[0] if needed else licences[0])
    links = [one.url for one in needed if one.url]
    return CardLicence("other", "-and-".join(one.id for one in needed), links[0] if links else "")


def _keeps(whole: Licence, part: Licence) -> bool:
    """Whether what is passed on under one licence keeps what another asks, as creativecommons.org lists it.

    A later version stands for an earlier one, and BY-NC-SA for BY-NC. See "ShareAlike compatibility" and the chart in
    the FAQ, https://creativecommons.org/faq/#can-i-combine-material-under-different-creative-commons-licenses-in-my-work.
    """
    kind, version = part.id.rpartition("-")[::2]
    kinds = (kind, "cc-by-nc-sa") if kind == "cc-by-nc" else (kind,)
    known, later = whole.id.rpartition("-")[::2]
    return whole == part or (kind.startswith("cc-by") and known in kinds and later >= version)


def _on_card(licence: Licence) -> CardLicence:
    return CardLicence(licence.id) if licence.on_hub else CardLicence("other", licence.id, licence.url)
