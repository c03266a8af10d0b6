"""Operations as counted from the shape of a model against those that PyTorch counts while it computes."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from medft_bm.models import load_model_family
from medft_bm.models.tiny import BUILDERS, build_tiny
from medft_bm.train.flops import COUNTS, Operations, count
from medft_bm.train.rehearsal import Rehearsal, untouched
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config

LORA_EVERYWHERE = {"vision": {"train": "lora"}, "language": {"train": "lora"}}
FROZEN_VISION = {"vision": {"train": "frozen"}, "projector": {"train": "frozen"}}


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def deep(request, tmp_path_factory, helpers):
    """Enough layers for the first one, which passes no gradient on, not to count."""
    folder = tmp_path_factory.mktemp("deep") / request.param
    build_tiny(request.param, folder, ["How wide is it, in mm?"] * 3, seed=0, hidden=64, layers=(6, 6))
    family = load_model_family(str(folder))
    return folder, family, helpers.rows(family, folder.parent, train=3, validation=0)


@pytest.mark.parametrize(
    ("method", "towers"),
    [("lora", LORA_EVERYWHERE), ("full", FROZEN_VISION), ("full", {})],
    ids=["lora everywhere", "language in full", "full"],
)
def test_operations_are_those_that_pytorch_counts(deep, helpers, tmp_path, method, towers):
    folder, family, rows = deep
    config = helpers.config(folder, tmp_path / "run", method=method, device_batch=1)
    config = config.model_validate({**config.model_dump(), "towers": towers})
    loaded = family.load(str(folder), revision=None, dtype="float32", attention="eager")
    trainer = make_trainer(rows, family, config, loaded, sft_config(config, validate=False))
    rehearsal = Rehearsal.of(trainer, [1])

    with untouched(trainer), FlopCounterMode(display=False) as counted:
        rehearsal.step()

    counts = dict(zip(COUNTS, count(rehearsal.batch, trainer.model.config).tolist(), strict=True))
    said = Operations.of(trainer.model, family).total(counts)
    assert said == pytest.approx(counted.get_total_flops(), rel=0.05)
