"""What every sample lost, kept on the device until it is asked for: curves per part, and who is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from medft_bm.core.errors import MedftError
from medft_bm.train.loss import LossKind, loss_table, overall_loss, part_losses, part_sums

NAMED = 8
"""Samples that an error names."""


class Ledger:
    """Losses of the samples of one step or one evaluation, and sums of the steps since the last line of the log.

    Nothing here waits for the device but what says so; TRL itself waits three times in every forward pass.

    Args:
        accelerator: of the trainer.
        kind: ``train.loss``.
        names: of the parts.
    """

    def __init__(self, accelerator: Any, kind: LossKind, names: Sequence[str]) -> None:
        self.accelerator = accelerator
        self.kind = kind
        self.names = names
        self._tables: list[Any] = []
        self._sums: Any = None

    def note(self, out: Any, row: Any, part: Any) -> None:
        """Keep the losses of a forward pass (see :func:`~medft_bm.train.loss.loss_table`)."""
        self._tables.append(loss_table(out.log_probs, out.label_mask, row, part))

    def clear(self) -> None:
        """Forget what an evaluation that failed has left."""
        self._tables.clear()

    def close_step(self, norm: Any) -> Any | None:
        """Add a step to the sums; waits for the device.

        Args:
            norm: of the gradients, the same on every process; ``None`` where the backend does not say.

        Returns:
            The table of all processes when a loss or the norm is no finite number on any of them, else ``None``.
        """
        table = self._take()
        self._sums = self._sums_of(table) + (0 if self._sums is None else self._sums)
        ill = ~table[:, 2].isfinite().all()
        if norm is not None:
            whole = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # FSDP keeps it in pieces
            ill = ill | ~torch.as_tensor(whole, device=ill.device).isfinite()
        # Every process gets the same answer, so that all of them stop together.
        stop = self.accelerator.reduce(ill.float().reshape(1), "sum").item()
        return self._everyones(table) if stop else None

    def line(self) -> dict[str, float]:
        """``loss/PART`` over the steps since the last call; waits for the device."""
        if self._sums is None:
            return {}
        sums, self._sums = self.accelerator.reduce(self._sums, "sum"), None
        return part_losses(sums, self.names)

    def evaluation(self) -> tuple[dict[str, float], Any]:
        """``loss`` and ``loss/PART`` over all that was noted, every row once; and the table of all processes.

        Processes get the same number of rows, some of them twice, and the mean of the losses of batches depends on
        how rows fell into batches: that is what the trainer calls ``eval_loss``.
        """
        table = self._everyones(self._take())
        sums = self._sums_of(table)
        return {"loss": overall_loss(sums, self.kind), **part_losses(sums, self.names)}, table

    def _take(self) -> Any:
        table = torch.cat(self._tables)
        self._tables.clear()
        return table

    def _sums_of(self, table: Any) -> Any:
        return part_sums(table, self.kind, len(self.names))

    def _everyones(self, table: Any) -> Any:
        padded = self.accelerator.pad_across_processes(table, dim=0, pad_index=-1)
        table = self.accelerator.gather(padded)
        order = table[:, 0].argsort(stable=True)
        table = table[order]
        fresh = torch.ones_like(table[:, 0], dtype=torch.bool)
        fresh[1:] = table[1:, 0] != table[:-1, 0]
        return table[fresh & (table[:, 0] >= 0)]


def not_finite(name: str, table: Any, norm: Any, step: int, uids: Any) -> MedftError:
    """The error that names the samples whose loss is no finite number; all of the step when only the gradient is none.

    Args:
        name: of the loss.
        table: of all processes, every row once.
        norm: of the gradients, if there are any.
        step: of the optimiser.
        uids: prepared rows, to name samples by.
    """
    ill = table[~table[:, 2].isfinite()]
    guilty = ill if len(ill) else table
    culprit, value = (name, ill[0, 2]) if len(ill) else ("grad_norm", norm)
    rows = [int(row) for row in guilty[:, 0].tolist()]
    uid = [str(uids[row]["uid"]) for row in rows[:NAMED]]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return MedftError(
        f"{culprit} is {float(value)} at step {step}, with {len(rows)} of {len(table)} samples",
        where=f"sample {', '.join(uid)}{more}",
        fix="look at these samples; if they are sound, lower train.lr or raise train.warmup; checkpoints are kept",
    )
