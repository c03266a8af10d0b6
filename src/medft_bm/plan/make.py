"""A plan: tokens, weights, memory and time of a training, from a config and its prepared rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medft_bm.config.schema import Config
from medft_bm.models.base import ModelFamily
from medft_bm.plan.activations import growth
from medft_bm.plan.lengths import Lengths, largest, load_processor, read_lengths
from medft_bm.plan.machines import ASSUMED_USE, Choice, Duration, Estimator, Machine, duration, extent
from medft_bm.plan.memory import Weights
from medft_bm.plan.skeleton import Precision, Skeleton, skeleton
from medft_bm.plan.trace import Largest
from medft_bm.train.flops import Operations

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared


@dataclass(frozen=True)
class Verdict:
    """What a machine can do with a config.

    Attributes:
        machine: name.
        count: of its GPUs.
        usable: bytes of each GPU.
        configured: with the config as it is.
        suggested: the fastest settings that fit; ``None`` when none does.
        duration: with the suggested settings.
    """

    machine: str
    count: int
    usable: float
    configured: Choice
    suggested: Choice | None
    duration: Duration | None

    @property
    def fits(self) -> bool:
        """Whether the config can be trained there as it is."""
        return self.configured.memory.total <= self.usable


@dataclass(frozen=True)
class Plan:
    """What a training will need.

    Attributes:
        lengths: of the training rows.
        largest: sample, which memory is planned for.
        total: numbers of the model by tower.
        trainable: numbers that change, by tower.
        precision: on a GPU.
        verdicts: one per machine.
        operations: per sample: of the model, and with what is computed twice; ``None`` where there is no telling.
    """

    lengths: Lengths
    largest: Largest
    total: dict[Any, int]
    trainable: dict[Any, int]
    precision: Precision
    verdicts: list[Verdict]
    operations: tuple[float, float] | None

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs; memory in bytes."""
        return {
            "rows": self.lengths.rows,
            "rows_encoded": len(self.lengths.places),
            "tokens": self.lengths.percentiles(),
            "image_token_histogram": [dict(zip(("from", "to", "share"), one, strict=True)) for one in self.histogram],
            "largest_sample": {"tokens": self.largest.tokens, "image_tokens": self.largest.image_tokens},
            "parameters": {"total": self.total, "trainable": self.trainable},
            "precision": dataclasses.asdict(self.precision),
            "operations_per_sample": self.operations and dict(zip(("model", "done"), self.operations, strict=True)),
            "assumed_share_of_peak": self.assumed_share,
            "machines": [{**dataclasses.asdict(one), "fits": one.fits} for one in self.verdicts],
        }

    @property
    def assumed_share(self) -> float:
        """Of a GPU's peak, for the durations."""
        return ASSUMED_USE

    @property
    def histogram(self) -> list[tuple[int, int, float]]:
        """See :meth:`Lengths.histogram`."""
        return self.lengths.histogram()


def make_plan(
    prepared: Prepared, family: ModelFamily, config: Config, machines: list[Machine], price: float | None
) -> Plan:
    """Plan a training for some machines, on any machine.

    Args:
        prepared: rows for this family.
        family: bound to the checkpoint in ``config.model.name``, of which only JSON and the tokenizer are read.
        config: resolved.
        machines: to judge.
        price: of one GPU for an hour; ``None``: unknown.

    Raises:
        ConfigError: the checkpoint cannot be read, or the config contradicts itself.
        DataError: no training rows.
    """
    processor = load_processor(config.model)
    lengths = read_lengths(prepared, processor)
    biggest, precision = largest(lengths, prepared, processor), Precision.on_gpu(config)
    model = skeleton(config, family, precision)
    estimator = estimate(model, biggest, config, precision)
    work = _operations(model, family, lengths)
    verdicts = [_verdict(machine, estimator, lengths.rows, work, price) for machine in machines]
    done = work and (work[0], sum(work) if config.train.gradient_checkpointing else work[0])
    return Plan(lengths, biggest, model.total, model.trainable, precision, verdicts, done)


def estimate(model: Skeleton, biggest: Largest, config: Config, precision: Precision) -> Estimator:
    """Memory of every setting for one model and its largest sample."""
    grown = {on: growth(model, biggest, precision, checkpointing=on) for on in (False, True)}
    return Estimator(Weights.of(model), grown, config.train)


def _verdict(
    machine: Machine, estimator: Estimator, rows: int, work: tuple[float, float] | None, price: float | None
) -> Verdict:
    configured, suggested = estimator.configured(machine.count), estimator.suggest(machine)
    lasting = None
    if suggested is not None and work is not None:
        steps, samples = extent(estimator.train, rows, machine.count)
        operations = sum(work) if suggested.checkpointing else work[0]
        lasting = duration(machine, steps, samples, operations, price)
    return Verdict(machine.name, machine.count, machine.usable, configured, suggested, lasting)


def _operations(model: Skeleton, family: ModelFamily, lengths: Lengths) -> tuple[float, float] | None:
    """Of an average sample: forward and backward, and forward alone, which checkpointing does once more."""
    both = Operations.of(model.model, family)
    if both is None:
        return None
    trained = [weight for weight in model.model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    forward = Operations.of(model.model, family)
    for weight in trained:
        weight.requires_grad_(True)
    means = lengths.means(model.base.config.vision_config.patch_size)
    return both.total(means), forward.total(means) if forward else 0.0
