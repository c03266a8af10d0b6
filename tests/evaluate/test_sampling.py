from collections import Counter
from dataclasses import replace

from medft_bm.evaluate.sampling import share_out, spread, spread_items

COLUMNS = ("uid", "part", "subject")


def read_row_by_row(rows):
    """What the columns of a table must hold, however they are read."""
    return {name: [row[name] for row in rows] for name in COLUMNS}


def test_what_a_small_part_cannot_take_goes_to_the_others():
    assert share_out(10, {0: 2, 1: 50, 2: 4}) == {0: 2, 1: 4, 2: 4}
    assert share_out(4, {0: 9, 1: 9, 2: 9}) == {0: 2, 1: 1, 2: 1}
    assert share_out(99, {0: 2, 1: 3}) == {0: 2, 1: 3}
    assert share_out(5, {}) == {}


def test_questions_are_spread_over_parts_and_patients_and_stay_the_same():
    rows = [(f"u{n}", n % 2, f"p{n % 2}-{n // 20}") for n in range(200)]  # ten subjects per part, ten rows each
    table = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    chosen = [rows[index] for index in spread(table, 20)]
    assert Counter(part for _, part, _ in chosen) == {0: 10, 1: 10}
    assert len({subject for *_, subject in chosen}) == 20
    assert [rows[index] for index in spread(table, 20)] == chosen
    assert set(spread(table, 6)) <= set(spread(table, 20))


def test_a_limit_takes_every_part_alike_and_keeps_the_order(prepared):
    rows = prepared.rows("test")

    chosen = spread(read_row_by_row(rows), 9)

    assert Counter(rows["part"][index] for index in chosen) == {0: 3, 1: 2, 2: 2, 3: 2}
    assert chosen == sorted(chosen)


def test_every_patient_is_asked_about_before_one_is_asked_about_twice(prepared):
    rows = prepared.rows("test")
    part = [index for index in range(len(rows)) if rows["part"][index] == 0]
    subjects = {rows["subject"][index] for index in part}
    assert len(subjects) < len(part)

    chosen = spread(read_row_by_row(rows.select(part)), len(subjects))

    assert {rows["subject"][part[index]] for index in chosen} == subjects


def test_items_are_those_that_choosing_row_by_row_gives(prepared):
    items = prepared.items("train")
    # Cut and turned round, as a table is that somebody has selected from.
    turned = replace(items, rows=items.rows.select(range(len(items) - 3, 2, -1)))

    for table in (items, turned):
        for count in (0, 1, 13, len(table), len(table) + 5):
            assert spread_items(table, count) == [table[at] for at in spread(read_row_by_row(table.rows), count)]

    assert [item.uid for item in spread_items(turned, 13)] != [item.uid for item in spread_items(items, 13)]
    assert spread_items(replace(items, rows=items.rows.select([])), 4) == []
