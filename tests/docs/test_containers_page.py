"""Commands in containers.md name what exists; other pages' commands are checked in test_docs.py."""

from __future__ import annotations

import re

from medft_bm.config.load import check_config


def commands(page):
    return "\n".join(page("docs/containers.md").blocks("text")).replace("\\\n", " ").splitlines()


def test_files_in_commands_exist(page, repository):
    named = {word for line in commands(page) for word in re.findall(r"\b(?:container|script|tasks)/[\w./-]+", line)}

    assert {"container/build.sh", "container/job.sh", "container/kubernetes/job.yaml"} <= named
    lock = {"container/bases.lock"}  # written by the first build
    assert {name for name in named - lock if not (repository / name).exists()} == set()


def test_build_arguments_are_those_of_the_files(page, repository):
    given = {word for line in commands(page) for word in re.findall(r"--build-arg (\w+)=", line)}
    files = [*(repository / "container").glob("*.Dockerfile"), repository / "container/apptainer/medft.def"]
    texts = [path.read_text() for path in files]
    known = {word for text in texts for word in re.findall(r"^ARG (\w+)|\{\{ (\w+) \}\}", text, re.MULTILINE)}

    assert given == {"FLASH_ATTN", "TORCH_INDEX", "BASE"}
    assert given <= {name for pair in known for name in pair}
    table = page("docs/containers.md").prose.split("| argument |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {
        name for text in texts[:-1] for name in re.findall(r"^ARG (\w+)", text, re.MULTILINE)
    } - {"BASE"}


def test_keys_in_commands_are_keys_of_the_config(page, repository):
    words = {word for line in commands(page) for word in re.findall(r"\b(?:model|train|data|run)\.\w+=\S+", line)}

    assert words
    assert check_config(repository / "tasks/demo.yaml", sorted(words), environ={}).problems == []
