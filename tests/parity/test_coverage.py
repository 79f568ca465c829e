"""The page of torch's functions that the eager face has: it is up to date, and enough of them are there."""

import pytest

from .coverage import PAGE, page, rows, share


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.parity.coverage"


@pytest.mark.parametrize(("differentiates", "least"), [(True, 0.9), (False, 0.8)])
def test_enough_functions_are_there(differentiates, least):
    there, count = share(rows(), differentiates)
    assert there >= least * count


def test_every_absent_function_has_a_reason():
    assert not [row for row in rows() if row.state == "absent" and row.note == "not yet"]
