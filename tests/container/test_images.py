"""Dockerfiles, and the script that pins what they build on, without a Docker daemon."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

import pytest

DIGEST = "sha256:" + "0123456789abcdef" * 4
DOCKER = f"""\
#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$RECORD"
case "$*" in
  "buildx imagetools inspect "*gone*) echo "ERROR: not found" >&2; exit 1 ;;
  "buildx imagetools inspect "*) printf 'Name: x\\nDigest: {DIGEST}\\n\\nManifests:\\n  Name: y@sha256:%064d\\n' 7 ;;
esac
"""
FILES = ("cpu.Dockerfile", "cuda.Dockerfile", "apptainer/medft.def")


@pytest.fixture
def build(repository, tmp_path):
    """``container/build.sh`` with a stand-in for docker, and the lines docker was called with."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    record = tmp_path / "record"

    def run(*words: str, **variables: str):
        record.write_text("")
        given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RECORD": str(record), "LOCK": str(tmp_path / "lock")}
        done = subprocess.run(
            ["bash", str(repository / "container" / "build.sh"), *words],
            env={**given, **variables}, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        return done, record.read_text().splitlines()

    return run


def test_the_first_build_writes_the_digest_down_and_the_next_takes_it_from_there(build, tmp_path):
    done, first = build("cpu", "--no-cache")
    base = f"python:3.11-slim@{DIGEST}"
    command = f"build --file container/cpu.Dockerfile --build-arg BASE={base} --tag medft:cpu --no-cache ."

    assert done.returncode == 0, done.stderr
    assert first == ["buildx imagetools inspect python:3.11-slim", command]
    assert (tmp_path / "lock").read_text() == f"{base}\n"
    assert "commit it" in done.stderr

    assert build("cpu", "--no-cache")[1] == [command]


def test_another_tag_has_a_line_of_its_own(build, tmp_path):
    build("cuda")
    build("cuda", BASE_TAG="nvidia/cuda:12.6.3-devel-ubuntu24.04")

    tags = [line.partition("@")[0] for line in (tmp_path / "lock").read_text().splitlines()]
    assert tags == ["nvidia/cuda:13.2.1-devel-ubuntu24.04", "nvidia/cuda:12.6.3-devel-ubuntu24.04"]


@pytest.mark.parametrize(
    ("words", "variables", "code", "said"),
    [
        ((), {}, 1, "usage: build.sh"),
        (("tpu",), {}, 2, "there is no image tpu"),
        (("cpu",), {"BASE_TAG": "gone:1"}, 1, "the registry tells no digest of gone:1"),
    ],
)
def test_what_cannot_be_built_says_why_and_pins_nothing(build, tmp_path, words, variables, code, said):
    done, called = build(*words, **variables)

    assert done.returncode == code
    assert said in done.stderr
    assert not [line for line in called if line.startswith("build ")]
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("base", ["python:3.11-slim", "", f"python@{DIGEST[:-1]}"])
def test_a_base_without_a_digest_is_refused_by_the_files_themselves(repository, base):
    for name in FILES[:2]:
        text = (repository / "container" / name).read_text()
        (check,) = re.findall(r"^RUN (\[\[ \$BASE.*)$", text, re.MULTILINE)
        for given, code in ((base, 1), (f"python:3.11-slim@{DIGEST}", 0)):
            done = subprocess.run(["bash", "-c", check], env={"BASE": given}, capture_output=True, text=True)
            assert done.returncode == code, (name, given)
        assert text.index("FROM ${BASE}") < text.index(check) < text.index("pip install")
        assert re.findall(r"^ARG BASE(.*)$", text, re.MULTILINE) == ["", ""]  # and no default


def test_bounds_in_the_images_are_those_of_the_package(repository):
    about = tomllib.loads((repository / "pyproject.toml").read_text())
    optional = about["project"]["optional-dependencies"].values()
    known = {
        *about["project"]["dependencies"],
        *about["build-system"]["requires"],
        *(x for some in optional for x in some),
    }
    for name in FILES:
        written = set(re.findall(r'"([a-z_-]+[<>=][^"$]*)"', (repository / "container" / name).read_text()))
        assert written, name
        assert written - known - {"wheel>=0.45"} == set(), name


def test_images_end_as_nobody_in_particular_and_hold_no_secret(repository):
    for name in FILES[:2]:
        last = (repository / "container" / name).read_text().rpartition("\nFROM ")[2]
        assert "USER 10001" in last
        assert "pip.conf" not in last
        assert not re.search(r"(?i)(?:token|api_key|password)", last)


def test_nothing_but_what_is_named_gets_into_the_context_and_all_that_is_copied_does(repository):
    first, *kept = [
        line for line in (repository / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    allowed = {line.removeprefix("!") for line in kept if line.startswith("!")}
    assert first == "*"
    for name in FILES[:2]:
        copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (repository / "container" / name).read_text(), re.MULTILINE)
        copied = {path for words in copies for path in words.split()}
        assert copied <= allowed
        assert all((repository / path).exists() for path in copied)
