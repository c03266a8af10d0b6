"""Which questions an evaluation asks, and in what form."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from medft_bm.config.evaluation import Evaluate
from medft_bm.core.errors import DataError
from medft_bm.core.memory import no_garbage_search
from medft_bm.evaluate.compare import Who
from medft_bm.evaluate.questions import Question, candidates_of, question_of
from medft_bm.evaluate.sampling import spread_items
from medft_bm.evaluate.shots import Examples
from medft_bm.prepare.dataset import Item, Prepared

log = logging.getLogger(__name__)


def condition(which: Who, options: Evaluate) -> str:
    """Name of the folder: who is asked and, where examples are shown, how many; neither replaces the other."""
    return f"{which}-shots{options.shots}" if options.shots else which


def asked_items(prepared: Prepared, options: Evaluate) -> list[Item]:
    """The items of the split that are asked about, in its order.

    Raises:
        DataError: there is none.
    """
    items = prepared.items(options.split)
    if not len(items):
        raise DataError(
            f"the {options.split} split is empty", where="evaluate.split", fix="raise data.split or data.limit"
        )
    if options.limit is None or options.limit == len(items):
        with no_garbage_search():
            return list(items)
    if options.limit > len(items):
        log.info(
            "evaluate.limit is %d and the %s split has %d samples; using all", options.limit, options.split, len(items)
        )
    return spread_items(items, options.limit)


def questions_about(prepared: Prepared, items: Sequence[Item], options: Evaluate) -> list[Question]:
    """One question per item, with the examples, the system turn and the candidates that the options ask for.

    Raises:
        DataError: too few training samples to show as examples.
    """
    examples = Examples.of(prepared, options.shots)
    return [
        replace(
            question_of(item),
            shots=examples.before(item),
            system=options.system,
            candidates=candidates_of(item) if options.probabilities else (),
        )
        for item in items
    ]
