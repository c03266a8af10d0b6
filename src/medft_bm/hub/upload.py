"""One folder to one repository: sent, compared with what arrived, and tagged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from medft_bm.hub.faults import WAITS_S, PassingError, attempted
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
    """Send every file of a folder, in one commit, look whether all of them arrived as they are, and tag the commit.

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

    def send() -> tuple[str, int]:
        commit = _commit(api, folder, repository, message)
        return commit, _require_same(api, folder, repository, commit)

    doing = f"pushing to {repository.id}"
    commit, files = attempted(send, doing, waits)
    if tag:
        # Not tried again together: somebody else's later commit is not to be covered by this one once more.
        attempted(lambda: _tag(api, repository, tag, commit), doing, waits)
    url = f"{api.endpoint}/{'datasets/' if repository.type == 'dataset' else ''}{repository.id}"
    return Pushed(repository.id, commit, tag, files, url)


def _commit(api: HfApi, folder: Path, repository: Repository, message: str) -> str:
    """Everything in one commit, on top of what is there now; the hash of it, or of the last one if nothing is new.

    ``HfApi.upload_folder`` would make several commits of what takes minutes: half a model in between, for all to load.
    The parent is named, so that the Hub refuses what was compared with a state that is no longer there.
    """
    head = str(api.repo_info(repository.id, repo_type=repository.type).sha)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    stale = [name for name in _replaced(api, repository, head) if name not in names]
    info = api.create_commit(
        repository.id,
        [
            *(CommitOperationAdd(name, folder / name) for name in names),
            *(CommitOperationDelete(name) for name in stale),
        ],
        repo_type=repository.type,
        commit_message=message,
        parent_commit=head,
    )
    return info.oid


def _replaced(api: HfApi, repository: Repository, commit: str) -> list[str]:
    """Files of an earlier push that this one takes the place of, whether it has one of that name or not."""
    patterns = REPLACED[repository.what]
    there = api.list_repo_files(repository.id, repo_type=repository.type, revision=commit) if patterns else []
    return [name for name in there if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _require_same(api: HfApi, folder: Path, repository: Repository, commit: str) -> int:
    found = api.verify_repo_checksums(repository.id, repo_type=repository.type, revision=commit, local_dir=folder)
    wrong = [*(one["path"] for one in found.mismatches), *found.extra_paths]
    if wrong:
        raise PassingError(
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
        try:
            api.delete_tag(repository.id, tag=tag, repo_type=repository.type)
        except HfHubHTTPError as gone:  # somebody else is moving it as well
            if gone.response.status_code != 404:
                raise
        api.create_tag(repository.id, tag=tag, revision=commit, repo_type=repository.type)
