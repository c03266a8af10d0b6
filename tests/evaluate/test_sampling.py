from collections import Counter

import datasets

from medft_bm.evaluate.sampling import share_out, spread


def test_what_a_small_part_cannot_take_goes_to_the_others():
    assert share_out(10, {0: 2, 1: 50, 2: 4}) == {0: 2, 1: 4, 2: 4}
    assert share_out(4, {0: 9, 1: 9, 2: 9}) == {0: 2, 1: 1, 2: 1}
    assert share_out(99, {0: 2, 1: 3}) == {0: 2, 1: 3}
    assert share_out(5, {}) == {}


def test_questions_are_spread_over_parts_and_patients_and_stay_the_same():
    rows = [(f"u{n}", n % 2, f"p{n % 2}-{n // 20}") for n in range(200)]  # ten subjects per part, ten rows each
    table = datasets.Dataset.from_dict(dict(zip(("uid", "part", "subject"), map(list, zip(*rows, strict=True)),
                                                strict=True)))  # fmt: skip
    chosen = [rows[index] for index in spread(table, 20)]
    assert Counter(part for _, part, _ in chosen) == {0: 10, 1: 10}
    assert len({subject for *_, subject in chosen}) == 20
    assert [rows[index] for index in spread(table, 20)] == chosen
    assert set(spread(table, 6)) <= set(spread(table, 20))


def test_a_limit_takes_every_part_alike_and_keeps_the_order(prepared):
    rows = prepared.rows("test")

    chosen = spread(rows, 9)

    assert Counter(rows["part"][index] for index in chosen) == {0: 3, 1: 2, 2: 2, 3: 2}
    assert chosen == sorted(chosen)


def test_every_patient_is_asked_about_before_one_is_asked_about_twice(prepared):
    rows = prepared.rows("test")
    part = [index for index in range(len(rows)) if rows["part"][index] == 0]
    subjects = {rows["subject"][index] for index in part}
    assert len(subjects) < len(part)

    chosen = spread(rows.select(part), len(subjects))

    assert {rows["subject"][part[index]] for index in chosen} == subjects
