"""What is wrong with something that is about to leave."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from medft_bm.core.errors import DataError

log = logging.getLogger(__name__)

SHOWN = 10
"""Findings that one message lists."""


@dataclass(frozen=True)
class Finding:
    """One reason why something should not leave this machine.

    Attributes:
        what: was found; never the identifier itself.
        where: file and line, or config key.
        fix: what to do about it.
        blocks: nothing leaves until it is gone; otherwise it is only told.
    """

    what: str
    where: str
    fix: str
    blocks: bool = True


def require_none(findings: Sequence[Finding], where: str, told: set[Finding]) -> None:
    """Tell what only needs telling, and refuse to go on with the rest.

    Args:
        findings: of one thing that is about to leave.
        where: to.
        told: what was told before, and is not told again; what is told now is added.

    Raises:
        DataError: something blocks.
    """
    for finding in findings:
        if not finding.blocks and finding not in told:
            log.warning("%s (%s): %s", finding.what, finding.where, finding.fix)
            told.add(finding)
    blocking = [finding for finding in findings if finding.blocks]
    if blocking:
        listed = [f"  {one.where}: {one.what}; {one.fix}" for one in blocking[:SHOWN]]
        more = [f"  and {len(blocking) - SHOWN} more"] if len(blocking) > SHOWN else []
        raise DataError(
            "\n".join([f"{len(blocking)} reason(s) not to send this", *listed, *more]),
            where=where,
            fix="nothing was sent; remove the reasons and push again",
        )
