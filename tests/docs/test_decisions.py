"""Decisions are dated records, and the index names each."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "DECISIONS.md").read_text(encoding="utf-8")
RECORDS = re.findall(r"^## (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d)\*\n\n\S", PAGE, re.MULTILINE)
INDEX = re.findall(r"^\| (\d+) \| (\d{4}-\d\d-\d\d) \| \[(.+)\]\(#(.+)\) \|$", PAGE, re.MULTILINE)


def test_every_decision_has_a_number_a_date_and_its_line_in_the_index():
    assert len(RECORDS) == len(re.findall(r"^## ", PAGE, re.MULTILINE)) > 90
    assert [int(number) for number, _, _ in RECORDS] == [*range(1, len(RECORDS) + 1)]
    assert [(number, title, date) for number, title, date in RECORDS] == [
        (number, title, date) for number, date, title, _ in INDEX
    ]


def test_the_index_leads_to_each_record():
    for number, _, title, anchor in INDEX:
        assert anchor == re.sub(r"[^\w\- ]", "", f"{number}. {title}".lower()).replace(" ", "-")
