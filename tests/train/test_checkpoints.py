"""A checkpoint counts as whole only as it was sealed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medft_bm.train.checkpoints import SEAL, Seal, by_age, damage, read_seal, seal

FACTS = Seal(step=4, processes=2, batch=16, rows=100)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What a trainer leaves, one file in a folder of its own as DeepSpeed does."""
    folder = tmp_path / "checkpoint-4"
    (folder / "global_step4").mkdir(parents=True)
    save_file({"weight": torch.arange(64.0)}, folder / "model.safetensors")
    torch.save({"step": torch.tensor(4)}, folder / "optimizer.pt")
    torch.save({"cpu": torch.random.get_rng_state()}, folder / "rng_state_0.pth")
    torch.save({}, folder / "global_step4" / "zero_pp_rank_0.pt")
    (folder / "trainer_state.json").write_text('{"global_step": 4}', encoding="utf-8")
    seal(folder, FACTS)
    return folder


def test_a_sealed_checkpoint_is_whole_and_says_what_it_is_of(checkpoint):
    assert damage(checkpoint) == ""
    assert read_seal(checkpoint) == FACTS
    assert "global_step4/zero_pp_rank_0.pt" in json.loads((checkpoint / SEAL).read_text())["files"]


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "optimizer.pt", "rng_state_0.pth", "trainer_state.json", "global_step4/zero_pp_rank_0.pt"],
)
def test_a_missing_a_shortened_or_a_zeroed_file_is_found(checkpoint, name):
    file = checkpoint / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert damage(checkpoint) == f"{name} has {len(whole) - 1} bytes instead of {len(whole)}"
    if file.suffix != ".json":
        file.write_bytes(bytes(len(whole)))  # what a crash of the machine leaves of a file that was never flushed
        assert damage(checkpoint) == f"{name} is not readable"
    file.unlink()
    assert damage(checkpoint) == f"{name} is missing"


def test_without_a_seal_or_with_half_of_one_it_is_not_whole(checkpoint):
    (checkpoint / SEAL).write_text((checkpoint / SEAL).read_text()[:20], encoding="utf-8")
    assert damage(checkpoint) == f"{SEAL} cannot be read"
    (checkpoint / SEAL).unlink()
    assert damage(checkpoint) == "it was never finished"
    assert damage(checkpoint / "nowhere") == "there is no such folder"


def test_checkpoints_are_ordered_by_step_not_by_name(tmp_path):
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-200", "checkpoint-mine", "README.md"):
        (tmp_path / name).mkdir()
    assert [path.name for path in by_age(tmp_path)] == ["checkpoint-200", "checkpoint-10", "checkpoint-9"]
