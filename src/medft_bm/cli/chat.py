"""``medft chat``: questions about one image, one after the other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_verb
from medft_bm.cli.predict import add_image, add_model, listed, pairs_of, spacing_of
from medft_bm.core.errors import ConfigError, MedftError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.models.base import Loaded, ModelFamily
    from medft_bm.predict.conversation import Conversation
    from medft_bm.predict.place import Place, Shown

EXAMPLES = """
medft chat scan.nii.gz --model runs/ct --slice axial:42
medft chat slide.png --model google/medgemma-4b-it
"""
HELP = """/image PATH [PLANE:INDEX]     another image, and a new conversation
/task NAME WHAT               a task's question, apart from the conversation, and its answer read:
                              /task lesion_size tumour, /task classification benign,malignant
/reset                        forget what was said
/save FILE                    write what was said into a new file
/quit                         or end of input"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "chat", "ask a model about one image, question by question", EXAMPLES)
    verb.add_argument("image", type=Path, nargs="?", metavar="IMAGE", help="picture, volume, DICOM file or folder")
    add_model(verb)
    add_image(verb)
    verb.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="longest reply (default: 512)")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer line by line until the input ends; in a pipe, a mistake ends it with its exit code."""
    from medft_bm.predict.picture import RESEARCH
    from medft_bm.predict.weights import find_weights

    if args.max_new_tokens < 1:
        raise ConfigError(f"{args.max_new_tokens} tokens", where="--max-new-tokens", fix="give at least 1")
    weights = find_weights(args.model, args.weights, args.base, args.revision)
    family = weights.bound()
    seen = _opened(args, args.image, args.slice) if args.image else None
    chat = _Chat(args, family, weights.loaded(family), seen)
    print(f"{weights.kind}: {RESEARCH}; /help lists the commands")
    for line in _lines():
        try:
            if not chat.told(line):
                break
        except MedftError as error:
            if not sys.stdin.isatty():
                raise
            print(f"medft: {error}", file=sys.stderr)
    return 0


def _lines() -> Iterator[str]:
    """What is typed or piped in, without empty lines."""
    if sys.stdin.isatty():
        import readline  # noqa: F401 - gives `input` its history and arrow keys
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if line:
            yield line


def _opened(args: argparse.Namespace, path: Path, which: str) -> tuple[Place, Shown]:
    from medft_bm.predict.place import find, show, usual_window

    place = find(path, which)
    return place, show(place, args.window or usual_window(place), spacing=spacing_of(args.spacing))


@dataclass
class _Chat:
    """What is shown and said.

    Attributes:
        args: of the command line.
        family: of the model.
        loaded: the model.
        seen: the image; ``None`` before there is one.
        talk: the free questions so far.
        said: everything so far, as Markdown.
    """

    args: argparse.Namespace
    family: ModelFamily
    loaded: Loaded
    seen: tuple[Place, Shown] | None
    talk: Conversation | None = None
    said: list[str] = field(default_factory=list)

    def told(self, line: str) -> bool:
        """Do or answer one line; whether to go on."""
        command, _, rest = line.partition(" ")
        verbs = {"/image": self._image, "/task": self._task, "/reset": self._reset, "/save": self._save}
        if command == "/help":
            print(HELP)
        elif command in verbs:
            verbs[command](rest.strip())
        elif command.startswith("/") and command != "/quit":
            raise ConfigError(f"no command {command!r}", where="medft chat", fix="/help lists them")
        elif command != "/quit":
            self._ask(line)
        return command != "/quit"

    def _ask(self, text: str) -> None:
        from transformers import TextStreamer

        from medft_bm.predict.conversation import Conversation

        _, shown = self._image_seen()
        self.talk = self.talk or Conversation(self.loaded, shown.image, self.args.max_new_tokens)
        tokenizer = self.loaded.processor.tokenizer
        reply = self.talk.ask(text, TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True))
        self.said += [f"**You:** {text}", f"**Model:** {reply}"]

    def _task(self, words: str) -> None:
        """One question of a task, apart from the conversation: as in training, nothing is said before it."""
        from medft_bm.predict.ask import ask_wanted
        from medft_bm.predict.wanted import Wanted

        place, shown = self._image_seen()
        name, _, what = words.partition(" ")
        wanted = Wanted(name, {}, what, listed(what), listed(what), pairs_of(self.args.tag, "--tag"))
        asked = ask_wanted(place, shown, self.family, wanted)
        reply = asked.reply(self.loaded, self.args.max_new_tokens)
        answer = asked.answer(reply)
        lines = [asked.prompt, reply.text.strip() or "(empty)", f"answer: {answer.words if answer else ''}"]
        print("\n".join(lines))
        self.said += [f"**Task:** {lines[0]}", f"**Model:** {lines[1]}", f"*{lines[2]}*"]

    def _image(self, words: str) -> None:
        path, which = words, ""
        if not Path(words).exists():  # a name may hold spaces, so the slice is looked for only then
            path, _, which = words.rpartition(" ")
        self.seen = _opened(self.args, Path(path or words), which if path else "")
        self._reset("")

    def _reset(self, _: str) -> None:
        self.talk, self.said = None, []

    def _save(self, name: str) -> None:
        if not name:
            raise ConfigError("which file?", where="/save", fix="/save FILE")
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write("\n\n".join([*self.said, ""]))
        except OSError as error:
            what = f"the conversation cannot be saved: {error.strerror or error}"
            raise ConfigError(what, where=name, fix="give a new file in a folder that can be written") from error

    def _image_seen(self) -> tuple[Place, Shown]:
        if self.seen is None:
            raise ConfigError("there is no image yet", where="medft chat", fix="/image PATH, or IMAGE as an argument")
        return self.seen
