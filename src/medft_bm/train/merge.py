"""Fold an adapter into its base model, and prove that the result says the same."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from medft_bm.core.errors import DataError, MedftError
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.loading import on_device, resolve_dtype, save_processor, with_adapter
from medft_bm.train.folders import staged
from medft_bm.train.parity import NOISE, Parity, Probes, compare

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeReport:
    """How much the merged model differs from the adapter on its base, over the probes' prompts.

    Attributes:
        folder: of the merged model.
        dtype: it is stored in.
        effect: largest change of a logit that the adapter makes to its base; 0 is an untrained adapter.
        merged: adapter on base against merged, both in float32: the arithmetic of the merge.
        stored: merged in float32 against merged in ``dtype``: rounding.
        reloaded: merged in memory against read back from disk, both in ``dtype``: what was saved.
    """

    folder: Path
    dtype: str
    effect: float
    merged: Parity
    stored: Parity
    reloaded: Parity


def merge_adapter(
    base: str,
    adapter: Path,
    out: Path,
    family: ModelFamily,
    probes: Sequence[Item],
    dtype: str = "auto",
    *,
    revision: str | None = None,
) -> MergeReport:
    """Merge in float32, store in ``dtype``, read back, compare; ``out`` appears only when all three agree.

    Args:
        base: folder or Hub id of the model that the adapter was trained on.
        adapter: folder that training saved.
        out: folder of the merged model, with processor, chat template and generation config.
        family: of the base.
        probes: a few prepared rows; their prompts are compared at every position of text.
        dtype: ``bfloat16``, ``float32`` or ``auto``.
        revision: of the base on the Hub.

    Raises:
        ConfigError: the adapter folder holds no adapter, or the adapter does not fit the base.
        DataError: no probes.
        MedftError: the logits differ by more than rounding explains.
    """
    if not probes:
        fix = "see data.limit and data.split"
        raise DataError("comparing the merged model needs at least one prepared row", where=str(out), fix=fix)
    stored_dtype = resolve_dtype(dtype)
    loaded = on_device(family.load(base, revision=revision, dtype="float32", attention="sdpa"))
    questions = Probes.encode(loaded, probes)
    before = questions.logits(loaded.model)
    adapted = with_adapter(loaded, adapter).model
    wanted = questions.logits(adapted)
    model = _folded(adapted, adapter)
    merged = questions.logits(model)
    rounded = questions.logits(_stored(model, stored_dtype))
    with staged(out) as draft:
        _save(Loaded(model, loaded.processor), draft)
        again = on_device(family.load(str(draft), revision=None, dtype=stored_dtype, attention="sdpa"))
        reread = Probes.encode(again, probes).logits(again.model)
        report = _judged(out, stored_dtype, adapter, Said(before, wanted, merged, rounded, reread))
        _write(report, draft / "merge_report.json")
    _say(report)
    return report


class Said(NamedTuple):
    """Logits of one model at five stages of its way."""

    base: Any
    adapted: Any
    merged: Any
    stored: Any
    reloaded: Any


def _judged(out: Path, dtype: str, adapter: Path, said: Said) -> MergeReport:
    effect = compare(said.base, said.adapted).largest
    return MergeReport(
        folder=out,
        dtype=dtype,
        effect=effect,
        merged=compare(said.adapted, said.merged).required("float32", "the merged model", adapter, effect),
        stored=compare(said.merged, said.stored).required(dtype, "the stored model", adapter),
        reloaded=compare(said.stored, said.reloaded).required("float32", "the model read back from disk", adapter),
    )


def _folded(adapted: Any, adapter: Path) -> Any:
    try:
        return adapted.merge_and_unload(safe_merge=True)
    except ValueError as error:  # a weight that is no number
        raise MedftError(f"the merge failed: {error}", where=str(adapter), fix="train again") from error


def _stored(model: Any, dtype: str) -> Any:
    import torch

    # Not model.to(): it would also round rotary frequencies and the like, which a model read from disk keeps exact.
    for weight in model.parameters():
        weight.data = weight.data.to(getattr(torch, dtype))
    return model


def _save(loaded: Loaded, folder: Path) -> None:
    loaded.model.save_pretrained(folder)  # with generation_config.json
    save_processor(loaded.processor, folder)


def _write(report: MergeReport, file: Path) -> None:
    facts = dataclasses.asdict(report)
    del facts["folder"]
    file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _say(report: MergeReport) -> None:
    log.info(
        "largest logit differences: merge %.2g (the adapter itself %.2g), storing as %s %.2g, reading back %.2g",
        report.merged.largest,
        report.effect,
        report.dtype,
        report.stored.largest,
        report.reloaded.largest,
    )
    if report.effect <= NOISE * max(1.0, report.merged.scale):
        log.warning("the adapter changes next to nothing: was it trained?")
