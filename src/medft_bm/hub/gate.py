"""Does what is about to leave work, for people who have nothing but transformers and PEFT?"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.gate_files import GATE, require_files, stored_dtype, write_gate
from medft_bm.hub.gate_loading import load_plain, load_plain_adapter
from medft_bm.hub.gate_processor import require_generation, require_same_processor
from medft_bm.hub.gate_replies import Agreement, Said, compare_replies, replies_of
from medft_bm.hub.gate_tensors import Group, compare_tensors, require_alive
from medft_bm.hub.gate_vllm import in_vllm
from medft_bm.hub.terms import base_id
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.checkpoint import read_adapter, unloadable
from medft_bm.models.content import digest_of
from medft_bm.models.loading import DTYPES, with_adapter
from medft_bm.train.fold import fold
from medft_bm.train.merge import make_room, placed
from medft_bm.train.parity import TOLERANCES, Parity, Probes, compare

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

log = logging.getLogger(__name__)

TOKENS = 32
"""Longest reply that is compared."""


@dataclass(frozen=True)
class GateReport:
    """What was checked of one folder, and with which result.

    Attributes:
        what: was checked.
        digest: of the folder's files; another digest is another model.
        dtype: of the comparison.
        tolerance: largest difference of a logit that was allowed, as a share of the largest logit.
        logits: reference against what was loaded from the folder.
        replies: likewise.
        groups: largest deviation of every kind of layer; empty for an adapter.
        processor: prompts whose tokens and pixels came out the same after saving and loading.
        vllm: ``loads``, or why it was not checked.
    """

    what: Literal["lora", "merged"]
    digest: str
    dtype: str
    tolerance: float
    logits: Parity
    replies: Agreement
    groups: tuple[Group, ...]
    processor: int
    vllm: str


class Answered(NamedTuple):
    """What a model says: logits of the prompts, and greedy replies."""

    logits: Any
    replies: list[Said]


def check_adapter(config: Config, folder: Path, family: ModelFamily, items: Sequence[Item]) -> GateReport:
    """Load an adapter as others will, and ask it what ours is asked; ``gate.json`` is written into the folder.

    Args:
        config: of the run, with the base.
        folder: that training saved.
        family: of the base.
        items: validation rows to ask.

    Raises:
        DataError: no rows to ask, or files that nobody should be given.
        MedftError: it does not load cleanly, or does not say the same; the message names what differs.
    """
    digest = _begin(folder, items)
    require_alive(folder)
    _require_its_base(folder, config)
    dtype = _dtype(config.model.name, config.model.revision)
    ours = _base(config, family, dtype)
    checked = require_same_processor(ours.processor, folder, items)
    require_generation(folder, ours)
    wanted = _answered(with_adapter(ours, folder), items)
    del ours
    base, processor = load_plain(config.model.name, config.model.revision, dtype, beside=folder)
    theirs = _answered(Loaded(load_plain_adapter(base, folder), processor), items)
    said = _same_answers(wanted, theirs, dtype, "the adapter in plain PEFT", folder)
    return _passed(GateReport("lora", digest, dtype, *said, (), checked, "not checked for adapters"), folder)


def check_merged(
    config: Config, folder: Path, family: ModelFamily, items: Sequence[Item], adapter: Path | None
) -> GateReport:
    """Load a merged model as others will, and hold it against its base with the adapter, tensor by tensor.

    Needs memory for one model on the GPU, or maps both to their files on a machine without one.

    Args:
        config: of the run, with the base.
        folder: of the merged model.
        family: of the base.
        items: validation rows to ask.
        adapter: that was merged; ``None`` after a full fine-tuning, whose model is held against itself.

    Raises:
        DataError: no rows to ask, or files that nobody should be given.
        MedftError: it does not load cleanly, or differs; the message names the tensors.
    """
    digest = _begin(folder, items)
    dtype = _stored_dtype(folder)
    base = _base(config, family, dtype)
    checked = require_same_processor(base.processor, folder, items)
    model, processor = load_plain(str(folder), None, dtype)
    theirs = Loaded(model, processor)
    require_generation(folder, theirs)
    if adapter is None:
        reference = family.load(str(folder), revision=None, dtype=dtype, attention="sdpa")
    else:
        reference = with_adapter(base, adapter)
    del base
    wanted = _answered(reference, items)
    groups = _same_tensors(reference.model.to("cpu"), model, family, folder, adapter, dtype)
    del reference
    said = _same_answers(wanted, _answered(theirs, items), dtype, "the merged model in plain transformers", folder)
    del model, theirs  # vLLM wants the GPU for itself
    make_room()
    return _passed(GateReport("merged", digest, dtype, *said, groups, checked, in_vllm(folder)), folder)


def check_checkpoint(folder: Path) -> None:
    """What can be seen of an adapter without its model, for those that leave while training goes on.

    Raises:
        DataError: files that nobody should be given.
        MedftError: weights that are no numbers.
    """
    require_files(folder)
    require_alive(folder, trained=False)


def _begin(folder: Path, items: Sequence[Item]) -> str:
    """The digest of the folder's content, after what is no content of a model was refused."""
    if not items:
        fix = "see data.limit and data.split; training rows will do"
        raise DataError("checking a model needs at least one prepared row", where=str(folder), fix=fix)
    (folder / GATE).unlink(missing_ok=True)  # what it says must not outlive a check that fails now
    require_files(folder)
    return digest_of(folder)


def _dtype(checkpoint: str, revision: str | None) -> str:
    """The dtype that a checkpoint is stored in, if it is one to compute in; else ``bfloat16``."""
    from transformers import AutoConfig

    try:
        stored = str(AutoConfig.from_pretrained(checkpoint, revision=revision).dtype).removeprefix("torch.")
    except Exception as error:  # a config with odd values comes out of transformers as anything
        raise unloadable(checkpoint, revision, error) from error
    return stored if stored in DTYPES else "bfloat16"


def _stored_dtype(folder: Path) -> str:
    """The dtype that a merged model's weights are in and its config speaks of."""
    said, stored = _dtype(str(folder), None), stored_dtype(folder)
    if stored == said:
        return stored
    raise MedftError(
        f"most weights are stored in {stored}, and the model is to be loaded in {said}",
        where=str(folder / "config.json"),
        fix="nothing was sent; merge again, and change no dtype by hand",
    )


def _require_its_base(folder: Path, config: Config) -> None:
    """Whether an adapter was trained on the model of the config; its folder may have moved."""
    said = (read_adapter(str(folder)) or {}).get("base_model_name_or_path")
    names = {str(name).rstrip("/").rpartition("/")[2] for name in (config.model.name, base_id(config)) if name}
    if said and str(said).rstrip("/").rpartition("/")[2] not in names:
        raise MedftError(
            f"the adapter was trained on {said}, and the base is {config.model.name}",
            where=str(folder / "adapter_config.json"),
            fix="nothing was sent; set model.name to the base it was trained on, or train again",
        )


def _base(config: Config, family: ModelFamily, dtype: str) -> Loaded:
    return family.load(config.model.name, revision=config.model.revision, dtype=dtype, attention="sdpa")


def _answered(loaded: Loaded, items: Sequence[Item]) -> Answered:
    there = placed(loaded)
    return Answered(Probes.encode(there, items).logits(there.model), replies_of(there, items, TOKENS))


def _same_answers(
    wanted: Answered, found: Answered, dtype: str, what: str, folder: Path
) -> tuple[float, Parity, Agreement]:
    logits = compare(wanted.logits, found.logits).required(dtype, what, folder)
    replies = compare_replies(wanted.replies, found.replies, dtype, folder)
    return TOLERANCES[dtype].share, logits, replies


def _same_tensors(
    reference: Any, model: Any, family: ModelFamily, folder: Path, adapter: Path | None, dtype: str
) -> tuple[Group, ...]:
    """Every weight of the folder against the sum of base and adapter; files stand in for memory."""
    with tempfile.TemporaryDirectory(prefix=".gate-", dir=folder.parent) as scratch:
        wanted = reference if adapter is None else fold(reference, Path(scratch), adapter)
        return compare_tensors(wanted, model, family, folder, dtype)


def _passed(report: GateReport, folder: Path) -> GateReport:
    if digest_of(folder) != report.digest:
        raise MedftError("the folder changed while it was checked", where=str(folder), fix="check it again")
    write_gate(folder, dataclasses.asdict(report))
    same = f"{report.replies.identical} of {report.replies.asked}"
    log.info("%s: logits within %.2g, %s replies word for word", folder, report.logits.largest, same)
    return report
