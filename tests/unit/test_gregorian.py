import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zakar.models.shared import gregorian


@given(st.lists(st.dates(), max_size=20))
def test_dates_have_the_year_month_day_and_weekend_of_the_calendar(days: list[datetime.date]) -> None:
    dates = np.array(days, "datetime64[D]")
    assert gregorian.year(dates).tolist() == [day.year for day in days]
    assert gregorian.month(dates).tolist() == [day.month for day in days]
    assert gregorian.day_of_year(dates).tolist() == [day.timetuple().tm_yday for day in days]
    assert gregorian.weekday(dates).tolist() == [day.weekday() for day in days]
    assert gregorian.is_weekend(dates).tolist() == [day.weekday() >= 5 for day in days]
