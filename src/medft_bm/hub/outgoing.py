"""What everything goes through before it leaves: does it work, what is it, and is there anything in it that stays?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.hub.card import dataset_card, model_card
from medft_bm.hub.gate import GateReport, check_adapter, check_checkpoint, check_merged
from medft_bm.hub.gate_files import require_gate
from medft_bm.hub.guard import CARD, check_outgoing, name_base, subjects_findings
from medft_bm.hub.guard_findings import Finding, require_none
from medft_bm.hub.guard_names import Known, known_of
from medft_bm.hub.names import Repository, What
from medft_bm.hub.parcel import Parcel
from medft_bm.hub.terms import RunTerms, base_id, objections, run_terms
from medft_bm.models.content import weights_in

if TYPE_CHECKING:
    from medft_bm.models.base import ModelFamily
    from medft_bm.prepare.dataset import Item, Prepared

ASKED = 4
"""Held-out rows that a model is asked before it leaves."""


@dataclass(frozen=True)
class Outgoing:
    """A check of parcels, which also writes their cards.

    Attributes:
        config: of the run.
        repositories: where to.
        prepared: the run's rows.
        family: of the base model.
        training: weights are looked at and not loaded, because there is a model in memory.
    """

    config: Config
    repositories: Mapping[What, Repository]
    prepared: Prepared
    family: ModelFamily
    training: bool = False

    def __call__(self, parcel: Parcel) -> None:
        """Refuse a parcel, or make it ready.

        Raises:
            MedftError: it does not work, or something in it must not leave.
        """
        repository = self.repositories[parcel.what]
        if parcel.what == "lora":
            name_base(parcel.folder, self.config)
        weights = self._working(parcel)
        (parcel.folder / CARD).write_text(self._card(parcel, repository, weights), encoding="utf-8")
        findings = check_outgoing(
            parcel.folder, self.config, self._terms, self._known, what=parcel.what, private=repository.private
        )
        require_none(findings, repository.id, self._told)

    def _working(self, parcel: Parcel) -> list[str]:
        """Digests of weights that work; none of what holds no weights, or is still trained and was never evaluated."""
        if parcel.what == "data":
            return []
        if self.training:
            check_checkpoint(parcel.folder)
            return []
        try:
            return weights_in(parcel.source, require_gate(parcel.source)["digest"])
        except MedftError:  # not checked yet, or changed since
            return weights_in(parcel.source, self._checked(parcel).digest)

    def _checked(self, parcel: Parcel) -> GateReport:
        if parcel.what == "lora":
            return check_adapter(self.config, parcel.source, self.family, self._asked)
        full = self.config.train.method == "full"
        adapter = None if full else parcel.source.with_name("adapter")
        return check_merged(self.config, parcel.source, self.family, self._asked, adapter)

    def _card(self, parcel: Parcel, repository: Repository, weights: Sequence[str]) -> str:
        if parcel.what == "data":
            return dataset_card(self.config, self._terms, folder=parcel.folder, repository=repository.id)
        question = self._asked[0].prompt_text
        return model_card(
            self.config, self._terms, what=parcel.what, repository=repository.id, question=question, weights=weights
        )

    @cached_property
    def _asked(self) -> list[Item]:
        return list(self.prepared.items(self.config.evaluate.split)[:ASKED] or self.prepared.items("train")[:ASKED])

    @cached_property
    def _told(self) -> set[Finding]:
        """Warnings that were given; every save of a training would give them again."""
        return set()

    @cached_property
    def _terms(self) -> RunTerms:
        return run_terms(self.config)

    @cached_property
    def _known(self) -> Known:
        splits = [folder / "split.json" for folder in (self.config.run.folder, self.prepared.folder)]
        return known_of(self.config, splits, allowed=[place.id for place in self.repositories.values()])


def require_terms(config: Config, what: tuple[What, ...]) -> None:
    """Refuse before a training what would be refused after it: terms that forbid it, a base without a name, no salt.

    Raises:
        ConfigError: an adapter of a model that only this machine knows.
        DataError: data or a model that may not become public, or data whose subjects are hashed without a secret.
    """
    if "lora" in what and base_id(config) is None:
        raise ConfigError(
            "an adapter says which model it belongs to, and this one's would be a folder of this machine",
            where="model.name",
            fix="set hub.base_model to the Hub id of the base model, such as google/medgemma-4b-it",
        )
    if "data" in what:
        require_none([*subjects_findings(config)], "hub.push_data", set())
    terms, private = run_terms(config), config.hub.private
    found = [*objections(terms, "data", private=private)] if "data" in what else []
    found += [*objections(terms, "models", private=private)] if {"lora", "merged"} & {*what} else []
    require_none([finding for finding in found if finding.blocks], "hub.private=false", set())
