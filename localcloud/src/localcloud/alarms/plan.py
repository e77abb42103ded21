"""What an alarm watches: one metric, or a formula over several; read out of moto's alarm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from localcloud.alarms.expressions import compute
from localcloud.alarms.metrics import Metrics, Point, Series


@dataclass(frozen=True)
class Query:
    """One series with its statistic; ``id`` is its name in formulas."""

    id: str
    series: Series
    statistic: str
    unit: str | None


@dataclass(frozen=True)
class Plan:
    """How the values are found that an alarm holds against its threshold."""

    period: int
    queries: tuple[Query, ...]
    formulas: tuple[tuple[str, str], ...]
    """Id and text, in the order in which they were given."""
    wanted: str
    """The id of the query or formula that counts."""

    @classmethod
    def of(cls, alarm: Any) -> Plan:
        """The plan of moto's ``alarm``."""
        if not alarm.metric_data_queries:
            dimensions = {it.name: it.value for it in alarm.dimensions}
            series = Series.of(alarm.namespace, alarm.metric_name, dimensions)
            statistic = alarm.statistic or alarm.extended_statistic
            query = Query("m", series, statistic, alarm.unit or None)
            return cls(int(alarm.period), (query,), (), "m")
        queries, formulas, periods, wanted = [], [], [], ""
        for part in alarm.metric_data_queries:
            if part.expression:
                formulas.append((part.id, part.expression))
                periods += [int(part.period)] if part.period else []
            else:
                stat = part.metric_stat
                dimensions = {it.name: it.value for it in stat.metric.dimensions}
                series = Series.of(stat.metric.namespace, stat.metric.metric_name, dimensions)
                queries.append(Query(part.id, series, stat.stat, stat.unit or None))
                periods.append(int(stat.period))
            if part.return_data is None or str(part.return_data).lower() == "true":
                wanted = part.id
        return cls(max(periods, default=60), tuple(queries), tuple(formulas), wanted)

    def points(self, metrics: Metrics, *, periods: int, end: datetime) -> list[Point | None]:
        """The last ``periods`` values before ``end``, oldest first; None where there is none."""
        step = timedelta(seconds=self.period)
        times = [end - step * back for back in range(periods, 0, -1)]
        found = {
            query.id: metrics.points(
                query.series, query.statistic, period=self.period, start=times[0], end=end, unit=query.unit
            )
            for query in self.queries
        }
        if self.wanted in found:
            return [found[self.wanted].get(time) for time in times]
        values = {name: {time: point.value for time, point in series.items()} for name, series in found.items()}
        for name, text in self.formulas:
            values[name] = compute(text, values, times)
        wanted = values.get(self.wanted, {})
        return [Point(time, wanted[time], 1.0) if time in wanted else None for time in times]
