"""One folder to one repository: sent, compared with what arrived, and tagged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from medft_bm.core.errors import MedftError
from medft_bm.hub.faults import WAITS_S, attempted
from medft_bm.hub.names import Repository
from medft_bm.hub.parcel import REPLACED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pushed:
    """What a repository holds now.

    Attributes:
        repository: account/name.
        commit: hash of the last commit.
        tag: name of that commit in the repository; empty for none.
        files: that were compared with the local ones, byte for byte by their hashes.
        url: of the page.
    """

    repository: str
    commit: str
    tag: str
    files: int
    url: str


def push_folder(
    api: HfApi, folder: Path, repository: Repository, *, message: str, tag: str = "", waits: Sequence[float] = WAITS_S
) -> Pushed:
    """Send every file of a folder, look whether all of them arrived as they are, and tag the commit.

    Files that are there already are not sent again, so that a repeated call goes on where one was cut off.

    Args:
        api: with a token that may write.
        folder: nothing in it changes meanwhile.
        repository: exists.
        message: of the commit.
        tag: of the commit; one of that name is moved here.
        waits: seconds before each further attempt.

    Raises:
        ConfigError: no right to write there any more.
        MedftError: the Hub refused it, or holds something else than the folder; after all attempts.
    """

    def send() -> Pushed:
        info = api.upload_folder(
            repo_id=repository.id,
            repo_type=repository.type,
            folder_path=folder,
            commit_message=message,
            delete_patterns=list(REPLACED[repository.what]) or None,
        )
        files = _require_same(api, folder, repository, info.oid)
        if tag:
            _tag(api, repository, tag, info.oid)
        url = f"{api.endpoint}/{'datasets/' if repository.type == 'dataset' else ''}{repository.id}"
        return Pushed(repository.id, info.oid, tag, files, url)

    return attempted(send, f"pushing to {repository.id}", waits)


def _require_same(api: HfApi, folder: Path, repository: Repository, commit: str) -> int:
    found = api.verify_repo_checksums(repository.id, repo_type=repository.type, revision=commit, local_dir=folder)
    wrong = [*(one["path"] for one in found.mismatches), *found.extra_paths]
    if wrong:
        raise MedftError(
            f"{len(wrong)} file(s) did not arrive as they are here, such as {wrong[0]}",
            where=f"{repository.id} at {commit}",
            fix="push again; if it stays so, look whether a .gitattributes or .gitignore there changes files",
        )
    return found.checked_count


def _tag(api: HfApi, repository: Repository, tag: str, commit: str) -> None:
    """A step that was sent before a restart is trained, and sent, once more."""
    try:
        api.create_tag(repository.id, tag=tag, revision=commit, repo_type=repository.type)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        api.delete_tag(repository.id, tag=tag, repo_type=repository.type)
        api.create_tag(repository.id, tag=tag, revision=commit, repo_type=repository.type)
