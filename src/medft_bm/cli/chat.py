"""``medft chat``: questions about one image, one after the other."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.asked import add_image, add_model, listed, pairs_of, require_utf8, spacing_of
from medft_bm.cli.common import add_verb
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
HELP = """/image PATH [WHICH]           another image, and a new conversation; WHICH is the slice of a volume, like
                              axial:42, or the pixel size of a picture in mm, like 0.7 or 0.7,0.5
/task NAME WHAT               a task's question, apart from the conversation, and its answer read:
                              /task lesion_size tumour, /task classification benign,malignant
/reset                        forget what was said
/save FILE                    write what was said into a new file
/quit                         or end of input (Ctrl-D); Ctrl-C stops a reply"""


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
    seen = _opened(args.image, args.slice, args.spacing, args.window) if args.image else None
    chat = _Chat(args, family, weights.loaded(family), seen)
    print(f"{weights.kind}: {RESEARCH}; /help lists the commands")
    if seen:
        _say_image(*seen)
    for line in _lines():
        try:
            if not chat.told(line):
                break
        except MedftError as error:
            if not sys.stdin.isatty():
                raise
            print(f"medft: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            print("\nstopped, and not remembered; /quit or Ctrl-D ends the conversation", file=sys.stderr)
    return 0


def _lines() -> Iterator[str]:
    """What is typed or piped in, without empty lines."""
    if not sys.stdin.isatty():
        yield from filter(None, map(str.strip, sys.stdin))
        return
    import readline  # noqa: F401 - gives `input` its history and arrow keys

    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()  # the shell's prompt begins a line of its own
            return
        if line:
            yield line


def _opened(path: Path, which: str, spacing: str | None, window: str) -> tuple[Place, Shown]:
    from medft_bm.predict.place import find, show, usual_window

    place = find(path, which)
    return place, show(place, window or usual_window(place), spacing=spacing_of(spacing))


def _say_image(place: Place, shown: Shown) -> None:
    from medft_bm.predict.words import image_words

    print("\n".join([f"image: {image_words(place, shown)}", *(f"note: {note}" for note in shown.notes)]))


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
        require_utf8(line, "medft chat")
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
        if not reply.strip():
            print("(empty)")
        self.said += [f"**You:** {text}", f"**Model:** {reply}"]

    def _task(self, words: str) -> None:
        """One question of a task, apart from the conversation: as in training, nothing is said before it."""
        from medft_bm.predict.ask import ask_wanted
        from medft_bm.predict.wanted import NAMED_BY, Wanted

        place, shown = self._image_seen()
        name, what = (*words.split(maxsplit=1), "", "")[:2]
        if not what:
            fix = "/task NAME WHAT, like /task lesion_size tumour"
            raise ConfigError("which task, and about what?", where="/task", fix=fix)
        by, tags = NAMED_BY.get(name, "label"), pairs_of(self.args.tag, "--tag")
        classes, points = (listed(what) if by == several else () for several in ("classes", "points"))
        wanted = Wanted(name, {}, what if by == "label" else "", classes, points, tags)
        asked = ask_wanted(place, shown, self.family, wanted)
        reply = asked.reply(self.loaded, self.args.max_new_tokens)
        answer = asked.answer(reply)
        lines = [asked.prompt, reply.text.strip() or "(empty)", f"answer: {answer.words if answer else ''}"]
        print("\n".join(lines))
        self.said += [f"**Task:** {lines[0]}", f"**Model:** {lines[1]}", f"*{lines[2]}*"]

    def _image(self, words: str) -> None:
        if not words:
            raise ConfigError("which image?", where="/image", fix="/image PATH, and of a volume a slice: axial:42")
        path, which = Path(words).expanduser(), ""
        if not os.access(path, os.F_OK) and " " in words:  # a name may hold spaces, so WHICH is looked for only then
            name, _, which = words.rpartition(" ")
            path = Path(name.strip()).expanduser()
        # What --slice and --spacing say is about the first image.
        is_spacing = which and ":" not in which
        self.seen = _opened(path, "" if is_spacing else which, which if is_spacing else None, self.args.window)
        self._reset("")
        _say_image(*self.seen)

    def _reset(self, _: str) -> None:
        self.talk, self.said = None, []

    def _save(self, name: str) -> None:
        if not name:
            raise ConfigError("which file?", where="/save", fix="/save FILE")
        try:
            with Path(name).expanduser().open("x", encoding="utf-8") as file:
                file.write("\n\n".join([*self.said, ""]))
        except OSError as error:
            what = f"the conversation cannot be saved: {error.strerror or error}"
            raise ConfigError(what, where=name, fix="give a new file in a folder that can be written") from error

    def _image_seen(self) -> tuple[Place, Shown]:
        if self.seen is None:
            raise ConfigError("there is no image yet", where="medft chat", fix="/image PATH, or IMAGE as an argument")
        return self.seen
