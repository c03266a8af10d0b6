"""Checkpoints whose towers are deep enough that layers have to be extrapolated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.conftest import QUESTION, Rows, make_rows

from medft_bm.models import load_model_family
from medft_bm.models.base import ModelFamily
from medft_bm.models.tiny import build_tiny

torch.set_num_threads(1)


@pytest.fixture(scope="session", params=["gemma3", "qwen2_5_vl"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / request.param
    build_tiny(request.param, path, [QUESTION] * 3, seed=0, hidden=64, layers=(5, 6), image_px=128)
    return path


@pytest.fixture(scope="session")
def family(checkpoint: Path) -> ModelFamily:
    return load_model_family(str(checkpoint))


@pytest.fixture(scope="session")
def prepared(family: ModelFamily, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return make_rows(family, tmp_path_factory.mktemp("prepared"), train=6, validation=1)
