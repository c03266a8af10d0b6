"""What a model knew before on questions that it was not trained for, and still knows after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medft_bm.config.schema import Config
from medft_bm.evaluate.compare import Row, Who, compare
from medft_bm.evaluate.run import open_evaluation
from medft_bm.evaluate.score import Scored
from medft_bm.prepare.dataset import Prepared

FOLDER = "general"


def forgetting_rows(run_folder: Path, general: Prepared, config: Config) -> list[Row]:
    """Before and after on the general set, as far as both were asked; nothing when none was.

    Args:
        run_folder: with ``evaluation/general/{base,tuned}``.
        general: the general set, prepared for this model's family.
        config: of the run.

    Raises:
        DataError: an evaluation is unreadable, or of another general set.
    """
    folder = run_folder / "evaluation" / FOLDER
    found: dict[Who, Sequence[Scored]] = {}
    for who in ("base", "tuned"):
        evaluation = open_evaluation(folder / who, general)
        if evaluation is not None:
            found[who] = evaluation.scored
    common = set.intersection(*({one.item.uid for one in of} for of in found.values())) if found else set()
    asked: dict[Who, Sequence[Scored]] = {
        who: [one for one in of if one.item.uid in common] for who, of in found.items()
    }
    names = [part.name for part in general.parts]
    return compare(asked, names, resamples=config.evaluate.bootstrap, seed=config.run.seed) if common else []
