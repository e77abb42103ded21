"""Flights out of New York: what is uploaded and collected, and the model that asks."""

from headwater.declare import (
    Code,
    Collector,
    Examples,
    Gate,
    Holdout,
    Integers,
    Model,
    Schedule,
    Search,
    Source,
    Uniform,
    category,
    number,
    timestamp,
)
from pipelines.flights.views import AIRPORT_WEATHER, DELAYS, OWNER

FLIGHTS = Source(
    name="flights",
    description="Every scheduled departure of a month, with its outcome.",
    contract=".contracts:FLIGHTS",
    keys=("time_hour", "carrier", "flight", "origin"),
    missing=("", "NA"),
    # The file has no moment of arrival. In the air for air_time, then on the ground: three quarters of an hour for both
    # taxiways and the report is later than nearly all flights need, so nothing is used before it could be known.
    sql="""
        SELECT *,
            time_hour + to_minutes(minute) AS sched_dep,
            time_hour + to_minutes(minute) + to_minutes(CAST(dep_delay + air_time AS BIGINT) + 45) AS landed_at
        FROM landed
    """,
    event_time="sched_dep",
    available_time="landed_at",
)
WEATHER = Source(
    name="weather",
    description="Hourly observations at the three airports.",
    contract=".contracts:WEATHER",
    keys=("origin", "time_hour"),
    missing=("", "NA"),
    sql="SELECT *, time_hour + INTERVAL 1 HOUR AS known_at FROM landed",
    event_time="time_hour",
    available_time="known_at",
)
# The month before, on its first morning: by then the archive has the last evening too.
COLLECT_WEATHER = Collector(
    name="weather",
    source="weather",
    description="The airports' reports of a month, from the archive of the Iowa Environmental Mesonet.",
    schedule=Schedule(cron="0 6 1 * ? *", zone="America/New_York"),
    reads=Code(
        function="functions.weather:collect",
        settings={"archive": "https://mesonet.agron.iastate.edu/cgi-bin/request/asos.py", "allow_private": "no"},
    ),
)
FLIGHT_DELAY = Model(
    name="flight_delay",
    description="Will this flight arrive more than 15 minutes late? Asked two hours before its scheduled departure.",
    owner=OWNER,
    task="classification",
    inputs=(
        category("carrier", "Airline, two letters"),
        category("origin", "Airport of departure: EWR, JFK or LGA"),
        category("dest", "Airport of arrival"),
        number("distance", "Miles", minimum=1, maximum=12000),
        timestamp("sched_dep", "Scheduled departure", timezone="America/New_York"),
    ),
    features=(
        *(feature for view in DELAYS for feature in view.all()),
        *AIRPORT_WEATHER.select("dewp", "humid", "wind_speed", "precip", "pressure", "visib"),
    ),
    examples=Examples(
        sources=("flights",),
        # A flight that was cancelled or diverted never arrived, neither late nor in time.
        sql="""
            SELECT carrier, origin, dest, distance, sched_dep, sched_dep - INTERVAL 2 HOURS AS asked_at,
                CAST(arr_delay > 15 AS INTEGER) AS late
            FROM flights
            WHERE arr_delay IS NOT NULL
            ORDER BY sched_dep, carrier, flight, origin
        """,
        label="late",
        positive="arrives more than 15 minutes late",
    ),
    train=".train:fit",
    search=Search(
        space={
            "learning_rate": Uniform(low=0.04, high=0.12, log=True),
            "max_leaf_nodes": Integers(low=7, high=31, log=True),
            "l2_regularization": Uniform(low=0.1, high=30, log=True),
        },
        trials=4,
    ),
    holdout=Holdout(last="30d"),
    gates=(Gate(metric="roc_auc", at_least=0.70), Gate(metric="roc_auc", champion_margin=0.005)),
    # Not rate(7 days): that fires first when it is deployed, before there is any data.
    retrain=Schedule(cron="0 6 ? * MON *"),
)
