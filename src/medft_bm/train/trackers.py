"""TensorBoard and Weights & Biases: transformers' own callbacks, opened where and with what we choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml
from PIL import Image
from transformers.integrations import TensorBoardCallback, WandbCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, WandbLogModel

from medft_bm.config import tracking
from medft_bm.config.public import public_config
from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.core.registry import did_you_mean

RUN_ID = "wandb_id.txt"


@dataclass(frozen=True)
class Shown:
    """One case on a picture.

    Attributes:
        name: under which its pictures of several steps belong together.
        picture: RGB.
        caption: question, reply and score.
    """

    name: str
    picture: Image.Image
    caption: str


class Wall(Protocol):
    """A tracker that pictures can be hung on.

    Attributes:
        shows: whether it will.
    """

    shows: bool

    def show(self, step: int, cases: Sequence[Shown]) -> None:
        """Log them; called by the first process alone."""
        ...


def trackers_for(config: Config) -> list[Any]:
    """Callbacks for the trackers of ``train.report_to`` that are ours; the trainer makes the others itself.

    Raises:
        ConfigError: an unknown tracker; or ``all``, which would tell more of them than anyone has asked for.
    """
    names, facts = config.train.report_to, public_config(config)
    known = set(INTEGRATION_TO_CALLBACK)
    if unknown := [name for name in names if name not in known]:
        fix = f"choose from {', '.join(sorted(known))}, with commas between them, or none"
        what = f"{unknown[0]!r} is no tracker{did_you_mean(unknown[0], known)}"
        raise ConfigError(what, where="train.report_to", fix=fix)
    made: list[Any] = []
    if "tensorboard" in names:
        made.append(TensorBoard(config.run.folder / "logs", facts))
    if "wandb" in names:
        made.append(Wandb(config.wandb, config.run.folder, facts))
    return made


class TensorBoard(TensorBoardCallback):  # type: ignore[misc]
    """Stock opens a folder named after this machine, and writes the paths of all arguments into it.

    Args:
        folder: of the event files.
        facts: written once.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.shows = True
        self.logging_dir = str(folder)
        self.facts = facts

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer on every process; steps after the one it goes on from were logged by a killed run."""
        if not state.is_world_process_zero:
            return
        again = {"purge_step": state.global_step + 1} if state.global_step else {}
        self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir, **again)
        text = yaml.safe_dump(dict(self.facts), sort_keys=False, allow_unicode=True)
        self.tb_writer.add_text("config", _indented(text))

    def show(self, step: int, cases: Sequence[Shown]) -> None:
        """Pictures and texts under the names of the cases."""
        if self.tb_writer is None:  # after the last step
            self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir)
        for case in cases:
            self.tb_writer.add_image(case.name, np.asarray(case.picture), step, dataformats="HWC")
            self.tb_writer.add_text(case.name, _indented(case.caption), step)
        self.tb_writer.flush()


class Wandb(WandbCallback):  # type: ignore[misc]
    """Stock sends all arguments and the model's config, with their paths, and a description of this machine.

    Args:
        options: the config's section.
        run: folder of the training; the run's identity is kept there.
        facts: the run's config.
    """

    def __init__(self, options: tracking.Wandb, run: Path, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self._log_model = WandbLogModel.FALSE  # nothing is uploaded while training
        self.shows = options.images
        self.options = options
        self.folder = run
        self.facts = facts

    def setup(self, args: Any, state: Any, model: Any, **_: Any) -> None:
        """Called by stock before its first line.

        Raises:
            MedftError: the run cannot be started.
        """
        self._initialized = True
        if not state.is_world_process_zero:
            return
        try:
            run = self._open()
        except self._wandb.errors.Error as error:
            fix = "run `wandb login`; or set WANDB_MODE=offline and send it later with `wandb sync`"
            raise MedftError(f"Weights & Biases: {error}", where="wandb", fix=fix) from error
        (self.folder / RUN_ID).write_text(f"{run.id}\n", encoding="utf-8")
        run.define_metric("train/global_step")
        run.define_metric("*", step_metric="train/global_step", step_sync=True)

    def show(self, step: int, cases: Sequence[Shown]) -> None:
        """Pictures with captions."""
        if self._wandb.run is not None:
            pictures = {f"cases/{case.name}": self._wandb.Image(case.picture, caption=case.caption) for case in cases}
            self._wandb.log({**pictures, "train/global_step": step})

    def _open(self) -> Any:
        options, kept, own = self.options, self.folder / RUN_ID, self._wandb.setup().settings
        known = kept.read_text(encoding="utf-8").strip() if kept.is_file() else None
        folder = options.dir or self.folder
        folder.mkdir(parents=True, exist_ok=True)
        return self._wandb.init(
            project=options.project or own.project or "medft_bm",
            entity=options.entity,
            name=options.name or own.run_name or self.folder.resolve().name,
            id=options.id or known,
            resume=options.resume,
            dir=str(folder),
            tags=options.tags,
            config=dict(self.facts),
            settings=self._wandb.Settings(**NOTHING_ELSE),
        )


@contextmanager
def closing(trackers: Sequence[Any]) -> Iterator[None]:
    """Send what is left and end the run, as failed if it did not end well; the process may go on to train another."""
    failed = 1
    try:
        yield
        failed = 0
    finally:
        for tracker in trackers:
            if isinstance(tracker, Wandb) and tracker._wandb.run is not None:
                tracker._wandb.finish(exit_code=failed)


def _indented(text: str) -> str:
    """As Markdown that leaves the text as it is."""
    return "".join(f"    {line}\n" for line in text.splitlines())


NOTHING_ELSE: Mapping[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "host": "",
    "program": "medft train",
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_save_requirements": False,
}
"""Settings of the client: no host, user, path, code, packages or output; how busy the machine is, as numbers, stays."""
