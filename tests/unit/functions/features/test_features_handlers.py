"""The handler that materialises what stands on a source."""

from __future__ import annotations

from functions.features import materialise
from functions.lake import ingest
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import World

ROWS = """origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
JFK,39.0,26,59.4,270,10.4,,0,1012,10,2013-01-01T06:00:00Z
JFK,40.0,27,59.4,270,10.4,,0,1012,10,2013-01-01T07:00:00Z
"""


def test_the_views_of_a_source_go_online_and_a_source_without_data_changes_nothing(world: World) -> None:
    for module in (ingest, materialise):
        module.service.cache_clear()  # type: ignore[attr-defined]
    upload = world.upload("landing/weather/2013-01.csv", ROWS)
    ingest.handler({"upload": upload.model_dump()}, Context())
    (done,) = materialise.handler({"source": "weather", "run_id": "run-1"}, Context())["views"]
    assert materialise.logger.get_current_keys()["run_id"] == "run-1"
    assert (done["view"], done["rows"], done["entities"], done["written"]) == ("origin_weather", 2, 1, 1)
    assert world.online()["origin_weather|JFK"]["values"]["M"]["temp"] == {"N": "40.0"}
    assert materialise.handler({"source": "flights"}, Context()) == {"views": []}
