"""Every token is shown, in order, and exactly what has a label is marked."""

from __future__ import annotations

import pytest

from medft_bm.inspect.tokens import pieces

TEXT = "Ein Fleck,\n 12.5 mm µ 心臓 🫀 groß\tund  ﬁn"


def encoded(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_pieces_put_together_are_the_text_however_many_tokens_a_character_takes(feeder):
    tokenizer = feeder.processor.tokenizer
    ids = encoded(tokenizer, TEXT)

    shown = pieces(tokenizer, ids, [-100] * len(ids), feeder.marks.image)

    assert "".join(piece.text for piece in shown) == tokenizer.decode(ids)
    assert sum(piece.tokens for piece in shown) == len(ids)
    assert not any("\N{REPLACEMENT CHARACTER}" in piece.text for piece in shown)
    assert any(piece.tokens > 1 for piece in shown)  # the heart is bytes in these vocabularies


def test_white_space_can_be_seen(feeder):
    tokenizer = feeder.processor.tokenizer
    ids = encoded(tokenizer, "a b\nc\td")

    shown = pieces(tokenizer, ids, ids, feeder.marks.image)

    assert "".join(piece.visible for piece in shown) == "a·b↵\nc⇥d"


def test_an_image_is_one_piece_and_everything_with_a_label_is_loss(feeder):
    tokenizer, image = feeder.processor.tokenizer, feeder.marks.image
    before, after = encoded(tokenizer, "See this"), encoded(tokenizer, " 12.5")
    ids = [*before, *[image] * 7, *after]
    labels = [-100] * (len(ids) - 2) + ids[-2:]

    shown = pieces(tokenizer, ids, labels, image)

    assert [piece.tokens for piece in shown if piece.kind == "image"] == [7]
    assert sum(piece.tokens for piece in shown if piece.kind == "loss") == 2
    assert "".join(piece.text for piece in shown if piece.kind == "loss") == tokenizer.decode(ids[-2:])


def test_an_image_token_that_carries_loss_is_not_hidden_among_the_others(feeder):
    image = feeder.marks.image

    shown = pieces(feeder.processor.tokenizer, [image] * 4, [-100, -100, image, -100], image)

    assert [piece.kind for piece in shown] == ["image", "loss", "image"]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_is_not_put_together_across_the_border_of_the_loss(feeder, cut):
    tokenizer = feeder.processor.tokenizer
    ids = encoded(tokenizer, "🫀")
    if len(ids) <= cut:
        pytest.skip("this tokenizer knows the character")
    labels = [-100] * cut + ids[cut:]

    shown = pieces(tokenizer, ids, labels, feeder.marks.image)

    assert sum(piece.tokens for piece in shown if piece.kind == "prompt") == cut
    assert sum(piece.tokens for piece in shown if piece.kind == "loss") == len(ids) - cut
