from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.tasks import load_task
from medft_bm.tasks.formatters import format_answer, format_prompt, score_reply

DISTANCE = {
    "size": (540, 800),
    "spacing": (0.1, 0.2),
    "seen": (896, 896),
    "truth": {
        "kind": "distance",
        "points": {"a": [10, 10], "b": [40, 30]},
        "lines": [["a", "b"]],
        "directed": False,
    },
}


@dataclass
class Mine:
    size: tuple
    spacing: tuple
    truth: dict


def test_a_plain_mapping_gives_prompt_answer_and_score():
    task = load_task("angle_distance")
    assert "896 pixels wide" in format_prompt(task, DISTANCE)
    assert format_answer(task, DISTANCE) == "5.0"  # 3 mm down, 4 mm right
    assert score_reply(task, DISTANCE, "6 mm").values["absolute_error"] == pytest.approx(1)


def test_a_dataclass_of_the_caller_works_too():
    facts = Mine((40, 60), (1.0, 1.0), {"box": [4, 6, 12, 36], "label": "liver"})
    assert format_answer(load_task("detection"), facts) == "[0.100, 0.100, 0.600, 0.300]"


def test_a_wrong_field_or_truth_is_one_clear_error():
    task = load_task("angle_distance")
    with pytest.raises(ConfigError, match="did you mean 'spacing'"):
        format_prompt(task, {**DISTANCE, "spacing_": (1, 1)})
    with pytest.raises(DataError, match="lacks or garbles 'lines'"):
        format_prompt(task, {**DISTANCE, "truth": {}})
    with pytest.raises(DataError, match="needs the pixel size"):
        format_prompt(task, {**DISTANCE, "spacing": None})
    with pytest.raises(DataError, match="mapping or a dataclass"):
        format_prompt(task, 3)


def test_formatters_need_no_torch():
    code = (
        "import sys; from medft_bm import PixelMap, Spacing, load_task; import medft_bm.tasks.formatters;"
        "load_task('detection'); sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
