"""Fold an adapter into its base model, and prove that the result says the same."""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from medft_bm.core.errors import ConfigError, DataError, MedftError
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.content import MERGE_REPORT, digest_of
from medft_bm.models.loading import DTYPES, on_device, save_processor, with_adapter
from medft_bm.train.fold import fold
from medft_bm.train.folders import staged
from medft_bm.train.parity import NOISE, Parity, Probes, compare, share_kept

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

log = logging.getLogger(__name__)

ROOM = 2 << 30
"""Bytes left free for one forward pass."""


@dataclass(frozen=True)
class MergeReport:
    """How much the merged model differs from the adapter on its base, over the probes' prompts.

    Attributes:
        folder: of the merged model.
        dtype: of base, arithmetic of the comparison, and merged model; the sums themselves are made in float32.
        effect: largest change of a logit that the adapter makes to its base; 0 is an untrained adapter.
        kept: share of the adapter's effect that the merged model shows: 1, give or take rounding. 0 is a merge that
            lost the adapter, 2 one that added it twice.
        merged: adapter on base against merged.
        reloaded: merged in memory against read back from disk: what was saved.
    """

    folder: Path
    dtype: str
    effect: float
    kept: float
    merged: Parity
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
    """Merge, save, read back, compare; ``out`` appears only when all agree.

    Needs memory for one model in ``dtype`` on the GPU, or a few GB of a machine without one (see
    :func:`~medft_bm.train.fold.fold`), and disk for two.

    Args:
        base: folder or Hub id of the model that the adapter was trained on; never a quantised copy of it.
        adapter: folder that training saved.
        out: folder of the merged model, with processor, chat template and generation config.
        family: of the base.
        probes: a few prepared rows; their prompts are compared at every position of text.
        dtype: ``bfloat16``, ``float32``, or ``auto``: as the base is stored.
        revision: of the base on the Hub.

    Raises:
        ConfigError: the base is quantised, the adapter folder holds no adapter, or the adapter does not fit the base.
        DataError: no probes.
        MedftError: the logits differ by more than rounding explains.
    """
    if not probes:
        fix = "see data.limit and data.split"
        raise DataError("comparing the merged model needs at least one prepared row", where=str(out), fix=fix)
    dtype = _dtype_of(base, revision, dtype)
    made_of = digest_of(adapter)
    with staged(out) as draft:
        said = _merged(base, adapter, draft, family, probes, dtype, revision)
        loaded = placed(family.load(str(draft), revision=None, dtype=dtype, attention="sdpa"))
        reread = Probes.encode(loaded, probes).logits(loaded.model)
        report = _judged(out, dtype, adapter, said, reread)
        _write(report, made_of, draft)
    _say(report)
    return report


class Said(NamedTuple):
    """Logits of one model at three stages of its way."""

    base: Any
    adapted: Any
    merged: Any


def _merged(
    base: str, adapter: Path, draft: Path, family: ModelFamily, probes: Sequence[Item], dtype: str, revision: str | None
) -> Said:
    loaded = placed(family.load(base, revision=revision, dtype=dtype, attention="sdpa"))
    questions = Probes.encode(loaded, probes)
    before = questions.logits(loaded.model)
    adapted = with_adapter(loaded, adapter).model
    wanted = questions.logits(adapted)
    # Beside the result, because a folder for temporary files is often in memory.
    with tempfile.TemporaryDirectory(prefix=".folding-", dir=draft.parent) as scratch:
        model = fold(adapted, Path(scratch), adapter)
        merged = questions.logits(model)
        _save(Loaded(model, loaded.processor), draft)
    return Said(before, wanted, merged)


def _dtype_of(base: str, revision: str | None, wanted: str) -> str:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base, revision=revision)
    if getattr(config, "quantization_config", None):
        raise ConfigError(
            "the base is stored quantised; merging into it would round the adapter away",
            where=base,
            fix="set model.name to the full model that it was made from",
        )
    stored = str(config.dtype).removeprefix("torch.")
    return wanted if wanted != "auto" else stored if stored in DTYPES else "bfloat16"


def placed(loaded: Loaded) -> Loaded:
    """On the GPU when the model fits beside what is there; else where it is, mapped to its files."""
    import torch

    make_room()
    weights = sum(weight.numel() * weight.element_size() for weight in loaded.model.parameters())
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > weights + ROOM:
        return on_device(loaded)
    return loaded


def make_room() -> None:
    """Give back the GPU memory of models that nobody uses: some lie in cycles, and torch keeps what was theirs."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _judged(out: Path, dtype: str, adapter: Path, said: Said, reread: Any) -> MergeReport:
    merged = compare(said.adapted, said.merged).required(dtype, "the merged model", adapter)
    effect, kept = compare(said.base, said.adapted).largest, share_kept(*said)
    # What rounding alone moves says nothing of the adapter; `_say` warns then.
    if effect > NOISE * max(1.0, merged.scale) and not abs(kept - 1) < 0.1:
        raise MedftError(
            f"the merged model shows {kept:.2f} times what the adapter does to its base",
            where=str(adapter),
            fix="nothing was written; check that base model and adapter belong together",
        )
    reloaded = compare(said.merged, reread).required("float32", "the model read back from disk", adapter)
    return MergeReport(out, dtype, effect, kept, merged, reloaded)


def _save(loaded: Loaded, folder: Path) -> None:
    loaded.model.save_pretrained(folder)  # with generation_config.json
    save_processor(loaded.processor, folder)


def _write(report: MergeReport, adapter: str, draft: Path) -> None:
    """With digests, by which an evaluation of the one is known to speak for the other."""
    facts = {**dataclasses.asdict(report), "adapter": adapter, "model": digest_of(draft)}
    del facts["folder"]
    (draft / MERGE_REPORT).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _say(report: MergeReport) -> None:
    log.info(
        "%s: the adapter changes a logit by up to %.2g and %.1f %% of that is kept; the merge moves it by up to %.2g, "
        "after reading back %.2g",
        report.dtype,
        report.effect,
        100 * report.kept,
        report.merged.largest,
        report.reloaded.largest,
    )
    if report.effect <= NOISE * max(1.0, report.merged.scale):
        log.warning("the adapter changes next to nothing: was it trained?")
