"""What a run has made, sent to the Hub while somebody waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medft_bm.hub.access import Access
from medft_bm.hub.faults import WAITS_S
from medft_bm.hub.journal import last_step, note, words_for
from medft_bm.hub.names import What
from medft_bm.hub.outbox import FINAL
from medft_bm.hub.parcel import PLACE, Check, packed
from medft_bm.hub.upload import Pushed, push_folder

TITLES = {"lora": "adapter", "merged": "merged model"}


def push_run(
    access: Access,
    run: Path,
    sources: Mapping[What, Path],
    checks: Sequence[Check] = (),
    waits: Sequence[float] = WAITS_S,
) -> list[Pushed]:
    """Pack, check, send, compare and tag; one after the other.

    Args:
        access: to the repositories of everything in ``sources``.
        run: its folder; ``hub.jsonl`` in it is continued.
        sources: the folder of each thing to be sent.
        checks: every parcel passes them before it leaves.
        waits: seconds before each further attempt.

    Raises:
        DataError: a folder does not hold what is to be sent.
        MedftError: a check keeps something here, or it did not arrive.
    """
    return [_pushed(access, run, what, source, checks, waits) for what, source in sources.items()]


def _pushed(
    access: Access, run: Path, what: What, source: Path, checks: Sequence[Check], waits: Sequence[float]
) -> Pushed:
    step = last_step(run)
    if what == "data":
        message, tag = f"prepared dataset {source.name}", source.name
    else:
        message, tag = f"{TITLES[what]}, {words_for(run, step)}", FINAL
    with packed(what, source, run / PLACE, checks) as parcel:
        pushed = push_folder(
            access.api, parcel.folder, access.repositories[what], message=message, tag=tag, waits=waits
        )
    facts = {"commit": pushed.commit, "files": pushed.files}
    note(run, what=what, repository=pushed.repository, step=step, tag=tag, outcome="sent", **facts)
    return pushed
