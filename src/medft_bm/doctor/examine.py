"""Every check, those that take long at the same time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from medft_bm.doctor.accounts import folder_finding, hub_findings, is_folder, wandb_finding
from medft_bm.doctor.cgroups import read_limits
from medft_bm.doctor.finding import Finding, wanted_by
from medft_bm.doctor.gpus import gpu_findings, read_driver
from medft_bm.doctor.kernels import FIX, kernel_findings
from medft_bm.doctor.machine import machine_findings
from medft_bm.doctor.packages import installed, package_findings
from medft_bm.doctor.places import place_findings
from medft_bm.doctor.probe import HUB_SECONDS, Answer, ask

if TYPE_CHECKING:
    from medft_bm.config.schema import Config

log = logging.getLogger(__name__)

AT_ONCE = 3
"""Processes that import torch at the same time; each takes a core and half a gigabyte."""
LOADERS = 2
"""Processes per device without a config: the default of ``train.workers``."""


def examine(config: Config | None, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that a training needs.

    Args:
        config: what is planned; without one nothing that is absent is a problem.
        environ: variables of this process.
    """
    wanted = wanted_by(config)
    model = config.model if config and config.model.family != "plain" else None  # that one is a server's
    words = (model.name, model.revision or "") if model and not is_folder(model.name) else ()
    packages = [name for name in ("torch", *FIX) if installed(name)]
    if packages:
        log.info("trying %s; importing them may take a minute", ", ".join(packages))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hub = pool.submit(ask, "hub", *words, seconds=HUB_SECONDS)
        asked = {name: pool.submit(ask, name) for name in packages}
        driver = pool.submit(read_driver).result()
        answers = {name: one.result() for name, one in asked.items()}
    torch: Answer | None = answers.pop("torch", None)
    found = [
        *package_findings(wanted),
        *gpu_findings(driver, torch, environ.get("CUDA_VISIBLE_DEVICES"), bool(config)),
        *kernel_findings(answers, torch.values.get("devices", []) if torch else [], wanted),
        *machine_findings(read_limits(), environ.get("OMP_NUM_THREADS"), config.train.workers if config else LOADERS),
        *place_findings(config, environ),
        *hub_findings(hub.result(), model.name if model else None),
    ]
    if model and is_folder(model.name):
        found.append(folder_finding(model.name))
    return [*found, wandb_finding(environ, wanted.get("wandb", ""))]
