"""What a user may set about trackers."""

from __future__ import annotations

from typing import Annotated, Literal

from medft_bm.config.fields import FilePath, Section, Words

OWN_TRACKERS = ("tensorboard", "wandb")
"""Those that are opened by us, with no more than we choose to say; the trainer opens the others itself."""


class Wandb(Section):
    """Weights & Biases, used when train.report_to names wandb; the client's own variables work too, but WANDB_DIR."""

    project: str | None = None
    """Project of the run; null: WANDB_PROJECT, or medft_bm."""
    entity: str | None = None
    """User or team; null: the default of the account."""
    name: str | None = None
    """Name of the run; null: WANDB_NAME, or that of run.folder."""
    id: str | None = None
    """Identity of the run; null: the one kept in run.folder, or a new one."""
    resume: Literal["allow", "must", "never"] = "allow"
    """What to do about a run of this identity: go on with it, insist on one, or refuse."""
    dir: FilePath | None = None
    """Folder of its local files; null: run.folder."""
    tags: Annotated[list[str], Words] = []
    """Words to find the run by."""
    images: bool = False
    """Send the pictures of train.gallery too: pixels of patients then leave this machine."""
