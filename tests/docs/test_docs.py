"""What README and docs say runs, parses, exists and is still true."""

from __future__ import annotations

import doctest
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from medft_bm.cli.config import part_problems
from medft_bm.cli.main import parser
from medft_bm.config.keys import config_keys, normalised
from medft_bm.config.load import check_config, load_config

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("docs/**/*.md")),
]
YAMLS = [path for folder in ("tasks", "script") for path in sorted((REPOSITORY / folder).rglob("*.yaml"))]
MIXES = [
    str(p.relative_to(REPOSITORY)) for p in YAMLS if "mix" in (yaml.safe_load(p.read_text()) or {}).get("data", {})
]
GUIDES = {"docs/add-a-task.md", "docs/add-a-model.md"}  # their code is followed in test_guides.py
SOME_MODEL = "model.name=google/medgemma-4b-it"
SECTION = re.compile(r"(?:data|prepare|model|lora|towers|train|augment|evaluate|run)\.[a-z_][\w.]*")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|md|yaml|toml|sh|json)")


@pytest.fixture(params=PAGES)
def any_page(request, page):
    return page(request.param)


def commands(page):
    """Every command line of a page's blocks as words, comments and prompts removed."""
    for block in page.blocks("bash", "console"):
        lines = block.replace("\\\n", " ").splitlines()
        for line in lines:
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


def problems(path: Path, words: list[str]) -> list[str]:
    checked = check_config(path, words, environ={})
    return [*checked.problems, *part_problems(checked)]


def test_the_mixes_that_are_shipped_are_found():
    assert {"tasks/demo.yaml", "tasks/real_samples.yaml", "script/demo/pretrain_1_boxes.yaml"} <= set(MIXES)


@pytest.mark.parametrize("name", MIXES)
def test_every_shipped_mix_loads_and_its_parts_are_known(name):
    path = REPOSITORY / name
    words = [] if "model" in yaml.safe_load(path.read_text()) else [SOME_MODEL]
    assert problems(path, words) == []
    assert load_config(path, words, environ={}).config.data.mix


def test_every_relative_link_leads_somewhere(any_page):
    targets = re.findall(r"\]\(([^)\s]+)\)", any_page.prose)
    lost = [t for t in targets if "://" not in t and not (any_page.path.parent / t.split("#")[0]).exists()]
    assert lost == []


def test_every_file_that_is_named_exists(any_page):
    roots = [REPOSITORY, REPOSITORY / "src" / "medft_bm", any_page.path.parent]
    named = [span for span in any_page.spans if FILE.fullmatch(span)]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_every_test_that_is_named_exists(any_page):
    defined = {
        name for path in REPOSITORY.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert {span for span in any_page.spans if re.fullmatch(r"test_\w+", span)} <= defined


def test_python_with_prompts_prints_what_the_page_says(any_page):
    examples = [block for block in any_page.blocks("python") if ">>>" in block]
    runner = doctest.DocTestRunner(verbose=False)
    for block in examples:
        runner.run(doctest.DocTestParser().get_doctest(block, {}, any_page.path.name, str(any_page.path), 0))
    assert runner.failures == 0
    assert runner.tries >= len(examples)


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GUIDES])
def test_python_without_prompts_runs_and_prints_what_its_comments_say(page, name, capsys):
    for block in (block for block in page(name).blocks("python") if ">>>" not in block):
        exec(compile(block, name, "exec"), {"__name__": "__main__"})
        printed = capsys.readouterr().out.splitlines()
        said = re.findall(r"^print\(.*\)  # (.+)$", block, re.MULTILINE)
        assert said
        assert set(said) <= set(printed)


def test_there_is_python_to_run_where_a_reader_expects_it(page):
    assert [len(page(name).blocks("python")) for name in ("README.md", "docs/geometry.md")] == [1, 1]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GUIDES])
def test_every_mix_on_a_page_is_valid_once_it_has_a_model(page, name, tmp_path):
    for block in page(name).blocks("yaml"):
        (tmp_path / "my.yaml").write_text(block)
        assert problems(tmp_path / "my.yaml", [SOME_MODEL]) == [], block


def test_there_are_mixes_where_a_reader_expects_them(page):
    shown = {name for name in PAGES if any("mix:" in block for block in page(name).blocks("yaml"))}
    assert {"README.md", "docs/sources.md", "docs/medvision.md", "docs/splits-and-mixes.md"} <= shown


def test_every_command_can_be_given_as_it_stands(any_page):
    for words in commands(any_page):
        variables = [word.split("=")[0] for word in words if VARIABLE.match(word)]
        check(any_page, words[len(variables) :], variables)


def check(page, words: list[str], variables: list[str]) -> None:
    """One command line: its verb, options, keys, files, targets, extras or variables exist."""
    match words:
        case ["medft", *arguments]:
            check_medft(page, arguments)
        case ["accelerate" | "torchrun", *_, "-m", "medft_bm.cli.main", verb, place]:
            check_medft(page, [verb, place])
        case ["bash", script, *arguments]:
            assert (REPOSITORY / script).is_file(), script
            offered = re.findall(r'"\$\{([A-Z_]+):=', (REPOSITORY / script).read_text())
            assert set(variables) <= set(offered)
            assert problems(REPOSITORY / "tasks/demo.yaml", arguments) == []
        case ["make", target]:
            assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), target
        case ["pip", "install", what]:
            extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(re.findall(r"\w+", what)) <= set(extras), what
        case ["pytest", *arguments]:
            assert all((REPOSITORY / word).exists() for word in arguments if word.startswith("tests"))
        case ["python", script, *_]:
            assert script in page.spans, f"{script} is nowhere explained"
        case [".", activate]:
            assert activate == ".venv/bin/activate"
        case _:
            pytest.fail(f"nothing here knows how to check {words}")


def check_medft(page, arguments: list[str]) -> None:
    args, rest = parser().parse_known_args(arguments)
    assert not [word for word in rest if word.startswith("-")], arguments
    if getattr(args, "config", None) is None:
        assert not rest
        return
    path, words = REPOSITORY / args.config, [*args.words, *rest]
    if not path.is_file():  # a run folder, or a file that the page has made its reader write
        assert str(args.config).startswith("runs/") or str(args.config) in page.spans, args.config
        path = REPOSITORY / "tasks/demo.yaml"
    assert problems(path, words) == []


def test_every_verb_and_option_named_in_a_sentence_exists(any_page, capsys):
    for span in any_page.spans:
        if not span.startswith("medft "):
            continue
        words = shlex.split(span)[1:]
        with pytest.raises(SystemExit) as stop:
            parser().parse_args([*words, "--help"])
        told = capsys.readouterr().out
        assert stop.value.code == 0, span
        assert all(word in told for word in words if word.startswith("--")), span


def test_every_config_key_named_in_a_sentence_exists(any_page):
    known = [key.key for key in config_keys()]
    for span in any_page.spans:
        variable = re.match(r"MEDFT_([A-Z]+__[A-Z_]+)", span)
        key = variable[1].lower().replace("__", ".") if variable else (SECTION.match(span) or [""])[0]
        if not key or key == "section.key" or FILE.search(f"x/{span}"):
            continue
        assert any(name == normalised(key) or name.startswith(f"{normalised(key)}.") for name in known), span


def test_the_architecture_names_every_room_every_module_of_the_large_ones_and_every_verb(page):
    about = page("docs/architecture.md")
    layers = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0][
        "layers"
    ]
    rooms = {room.strip().removeprefix("medft_bm.") for layer in layers for room in layer.split("|")}
    table = about.prose.split("| room of")[1].split("\n\n")[0]
    first = {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    folders = {path.name.removesuffix(".py") for path in (REPOSITORY / "src/medft_bm").glob("[a-z]*")} - {"py.typed"}
    assert first == rooms == folders
    for room in ("prepare", "train", "evaluate"):
        inside = about.text.split(f"### Inside `{room}`")[1].split("```")[1]
        modules = {path.stem for path in (REPOSITORY / "src/medft_bm" / room).glob("[a-z]*.py")}
        assert [name for name in modules if not re.search(rf"\b{name}(?:[,:;\n]| {{2}})", inside)] == []
    verbs = re.findall(r"^    (\w+)  ", parser().format_help(), re.MULTILINE)
    assert "evaluate" in verbs
    assert [verb for verb in verbs if not re.search(rf"`(medft )?{verb}\b", about.text)] == []
