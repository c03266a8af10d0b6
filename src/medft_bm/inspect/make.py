"""Look at a prepared dataset and write down what is there: facts for programs, and one page for eyes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.core.types import Split
from medft_bm.evaluate.replies import write_text
from medft_bm.inspect.batches import Feeder
from medft_bm.inspect.examples import Example, examples
from medft_bm.inspect.page import render
from medft_bm.inspect.tables import Overlap, Share, overlap, shares
from medft_bm.inspect.truths import PartFacts, part_facts
from medft_bm.models.base import ModelFamily
from medft_bm.plan.lengths import Lengths, read_lengths

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared


@dataclass(frozen=True)
class Inspection:
    """What was seen of a prepared dataset.

    Attributes:
        split: of the examples and of the lengths.
        lengths: in tokens.
        context: tokens that the model can attend to; ``None`` when it does not say.
        overlap: of the splits.
        shares: of every part in every split.
        parts: what their rows are about.
        looked: rows of each split behind ``parts``.
        examples: rows as the model is fed them.
        warnings: what will be otherwise in training.
        left_out: by part and reason, as in the manifest.
        findings: of the audit, by kind.
    """

    split: Split
    lengths: Lengths
    context: int | None
    overlap: Overlap
    shares: list[Share]
    parts: list[PartFacts]
    looked: dict[str, int]
    examples: list[Example]
    warnings: list[str]
    left_out: list[dict[str, Any]]
    findings: dict[str, int]

    @property
    def problems(self) -> list[str]:
        """Why training would refuse the rows, or should; each reason once."""
        reasons: dict[str, list[str]] = {}
        for one in self.examples:
            for fed in (one.fed, *(variant.fed for variant in one.variants)):
                if fed.problem:
                    reasons.setdefault(fed.problem, []).append(fed.item.uid)
        found = [f"{why} ({len(set(uids))} of {len(self.examples)} examples, such as {uids[0]})"
                 for why, uids in reasons.items()]  # fmt: skip
        if not self.overlap.none:
            found.append(
                f"{len(self.overlap.subjects)} subject(s) and {self.overlap.images} picture(s) are in several splits"
            )
        if self.too_long:
            found.append(f"{self.too_long} of the rows that were encoded are longer than the model's {self.context}")
        return found

    @property
    def too_long(self) -> int:
        """Rows among those encoded, the longest of all included, that are longer than the model can attend to."""
        return 0 if self.context is None else int((self.lengths.total > self.context).sum())

    @property
    def sampled(self) -> bool:
        """Whether ``parts`` were told from some of the rows only."""
        rows: dict[str, int] = {}
        for share in self.shares:
            rows[share.split] = rows.get(share.split, 0) + share.rows
        return any(self.looked[split] < count for split, count in rows.items())

    def as_json(self) -> dict[str, Any]:
        """Everything but pictures and text, for programs."""
        return {
            "split": self.split,
            "rows": self.lengths.rows,
            "rows_encoded": len(self.lengths.places),
            "tokens": self.lengths.percentiles(),
            "context": self.context,
            "longer_than_context": self.too_long,
            "examples": len(self.examples),
            "problems": self.problems,
            "warnings": self.warnings,
            "overlap": {"subjects": self.overlap.subjects, "images": self.overlap.images},
            "shares": [dataclasses.asdict(one) for one in self.shares],
            "rows_looked_at": self.looked,
            "parts": [dataclasses.asdict(one) for one in self.parts],
            "left_out": self.left_out,
            "findings": self.findings,
        }


def inspect_prepared(prepared: Prepared, family: ModelFamily, config: Config, split: Split, count: int) -> Inspection:
    """Look at rows as training will; no weights are read.

    Args:
        prepared: rows for this family.
        family: bound to the checkpoint in ``config.model.name``.
        config: resolved.
        split: for lengths and examples.
        count: of examples.

    Raises:
        ConfigError: the checkpoint or a setting cannot be used.
        DataError: no rows in the split.
    """
    feeder = Feeder.of(config, family)
    lengths = read_lengths(prepared, feeder.processor, split)
    parts, looked = part_facts(prepared)
    return Inspection(
        split=split,
        lengths=lengths,
        context=feeder.context,
        overlap=overlap(prepared),
        shares=shares(prepared),
        parts=parts,
        looked=looked,
        examples=list(examples(prepared, family, config, feeder, split, count)),
        warnings=list(feeder.warnings),
        left_out=prepared.manifest["skipped"],
        findings=prepared.manifest["findings"],
    )


def write_page(seen: Inspection, config: Config, path: Path) -> None:
    """Write the page: complete, or not at all.

    Raises:
        ConfigError: it cannot be written there.
    """
    try:
        write_text(path, render(seen, config))
    except OSError as error:
        what = f"the page cannot be written: {error.strerror or error}"
        raise ConfigError(what, where=str(path), fix="give --out a file in a folder that can be written") from error
