"""``medft chat`` as a user types into it: questions, tasks, other images, mistakes."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import torch

torch.set_num_threads(1)

BASE = "script/demo/base/gemma3"


def talk(medft: Any, monkeypatch: pytest.MonkeyPatch, lines: str, *words: object) -> Any:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return medft("chat", *words, "--model", BASE, "--max-new-tokens", "12")


def test_a_conversation_is_answered_line_by_line_and_saved(medft, monkeypatch, slide, tmp_path):
    lines = f"What is this?\n\n/task detection liver\nAnd why?\n/save {tmp_path / 'talk.md'}\n/quit\nnever asked"

    done = talk(medft, monkeypatch, lines, slide)

    saved = (tmp_path / "talk.md").read_text(encoding="utf-8").split("\n\n")
    assert (done.code, done.err) == (0, "")
    assert [line.split(":**")[0] for line in saved if line.startswith("**")] == [
        *("**You", "**Model", "**Task", "**Model", "**You", "**Model"),
    ]
    for turn in saved[:-1]:
        assert turn.removeprefix("**Model:** ").strip() in done.out or turn.startswith(("**You:", "**Task:", "*answer"))
    assert "answer: " in done.out
    assert "never asked" not in done.out
    assert slide.stem not in (tmp_path / "talk.md").read_text(encoding="utf-8")


def test_a_conversation_remembers_until_it_is_reset(medft, monkeypatch, slide):
    def replies(lines: str) -> list[str]:
        return talk(medft, monkeypatch, lines, slide).out.splitlines()[1:]

    alone, later, fresh = (
        replies(lines) for lines in ("Why?\n", "What is this?\nWhy?\n", "What is this?\n/reset\nWhy?\n")
    )

    assert fresh[-1] == alone[-1]
    assert later[-1] != alone[-1]


def test_mistakes_in_a_conversation_name_the_way_out(medft, monkeypatch, slide, tmp_path):
    assert "/image PATH" in talk(medft, monkeypatch, "What is this?\n").err
    assert "/help lists them" in talk(medft, monkeypatch, "/what\n", slide).err
    (tmp_path / "there.md").write_text("mine")
    done = talk(medft, monkeypatch, f"/image {slide}\n/save {tmp_path / 'there.md'}\n")
    assert (done.code, (tmp_path / "there.md").read_text()) == (2, "mine")
    assert "no such file" in talk(medft, monkeypatch, "/image nothing\n").err
    assert "which image?" in talk(medft, monkeypatch, "/image\n").err
    assert "/task NAME WHAT" in talk(medft, monkeypatch, "/task detection\n", slide).err


def test_another_image_is_a_new_conversation(medft, monkeypatch, slide, real_data):
    volume = real_data / "B_sts_tumour/STS_002/CT_image.nii.gz"
    ask = "/task detection liver\n"

    first = talk(medft, monkeypatch, f"{ask}Hi\n", slide).out.splitlines()
    second = talk(medft, monkeypatch, f"Hi\n/image {volume} axial:20\n{ask}Hi\n", slide).out.splitlines()

    assert any("This is an image." in line for line in first)
    assert any("This is an axial slice." in line for line in second)
    assert "image: 143 x 161 px (height x width), axial slice 20" in "\n".join(second)
    assert second[-1] == talk(medft, monkeypatch, "Hi\n", volume, "--slice", "axial:20").out.splitlines()[-1]


def test_the_pixel_size_of_one_picture_is_not_taken_for_another(medft, monkeypatch, slide):
    ask = "/task angle_distance heel,toe\n"

    done = talk(medft, monkeypatch, f"{ask}/image {slide} 2,3\n{ask}/image {slide}\n{ask}", slide, "--spacing", "0.5")

    assert [line.split(", ")[1] for line in done.out.splitlines() if line.startswith("image: ")] == [
        "pixel 0.5 x 0.5 mm", "pixel 2 x 3 mm", "pixel size unknown",
    ]  # fmt: skip
    assert (done.code, done.out.count("How far is the heel from the toe?")) == (4, 2)


def test_ctrl_c_on_a_terminal_stops_one_reply_and_forgets_it(medft, monkeypatch, slide, tmp_path):
    from transformers import TextStreamer

    typed = iter(["What is this?", "Why?", f"/save {tmp_path / 'talk.md'}"])
    put = TextStreamer.put

    def interrupted(self: TextStreamer, value: Any) -> None:
        monkeypatch.setattr(TextStreamer, "put", put)
        raise KeyboardInterrupt

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def typing(prompt: str) -> str:
        if (line := next(typed, None)) is None:
            raise EOFError
        return line

    monkeypatch.setattr(TextStreamer, "put", interrupted)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", typing)

    done = medft("chat", slide, "--model", BASE, "--max-new-tokens", "12")

    assert (done.code, "stopped, and not remembered" in done.err) == (0, True)
    said = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert "Why?" in said
    assert "What is this?" not in said
