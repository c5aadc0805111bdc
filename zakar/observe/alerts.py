"""Fire alerts: the official system, slow by premise."""

import numpy as np

from zakar.scenario import LateAlerts
from zakar.world.year import Truth


def late(alerts: LateAlerts, truth: Truth) -> dict[str, np.ndarray]:
    """Return an alert for each fire of these days, in (event_day, x, y) order: days and cell."""
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    return {
        "event_day": fires.day,
        "notification_day": fires.day + alerts.lag_days,
        "cell": fires.cell,
    }
