"""Flights out of New York: what is uploaded, what is known of airports and carriers, and the model that asks."""

from headwater.declare import (
    Aggregations,
    Code,
    Collector,
    Examples,
    Feature,
    FeatureView,
    Gate,
    Holdout,
    Integers,
    Model,
    Schedule,
    Search,
    Source,
    Uniform,
    category,
    count,
    mean,
    number,
    timestamp,
)

OWNER = "flights team"

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
        settings={
            "archive": "https://mesonet.agron.iastate.edu/cgi-bin/request/asos.py",
            "allow_private": "no",
        },
    ),
)


def lately(hours: int) -> tuple[Feature, ...]:
    """How late flights were in the last hours. Delays are whole minutes: sums of them are exact in any order."""
    over, last = f"{hours}h", f"last {hours} hours"
    late, delay, flights = mean("arr_delay > 15", over=over), mean("arr_delay", over=over), count(over=over)
    share = f"Share of flights that arrived more than 15 minutes late, {last}"
    landed = f"Flights that landed in the {last}"
    return (
        Feature(name=f"late_rate_{over}", description=share, aggregate=late, minimum=0, maximum=1),
        Feature(name=f"mean_delay_{over}", description=f"Mean arrival delay in minutes, {last}", aggregate=delay),
        Feature(name=f"flights_{over}", description=landed, kind="integer", aggregate=flights, minimum=1),
    )


def delays(entity: str, description: str) -> FeatureView:
    """How late the flights were that share ``entity`` and landed lately: a row for each landing."""
    return FeatureView(
        name=f"{entity}_delays",
        description=description,
        owner=OWNER,
        entity=(entity,),
        sources=("flights",),
        aggregate=Aggregations(where="arr_delay IS NOT NULL", event_time="landed_at", available_time="landed_at"),
        features=(*lately(6), *lately(24)),
        ttl="24h",
    )


ORIGIN = delays("origin", "Flights that left this airport.")
CARRIER = delays("carrier", "This airline's flights out of New York.")
DEST = delays("dest", "Flights from New York to this airport.")
AIRPORT_WEATHER = FeatureView(
    name="origin_weather",
    description="The last observation at the airport of departure, known an hour after it was made.",
    owner=OWNER,
    entity=("origin",),
    sources=("weather",),
    sql="""
        SELECT origin, time_hour AS event_time, known_at AS available_time,
            temp, dewp, humid, wind_speed, precip, pressure, visib
        FROM weather
    """,
    features=(
        Feature(name="temp", description="Degrees Fahrenheit"),
        Feature(name="dewp", description="Dew point, degrees Fahrenheit"),
        Feature(name="humid", description="Relative humidity, per cent"),
        Feature(name="wind_speed", description="Miles an hour"),
        Feature(name="precip", description="Inches in the hour"),
        Feature(name="pressure", description="Millibars at sea level"),
        Feature(name="visib", description="Visibility in miles"),
    ),
    ttl="6h",
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
        *ORIGIN.all(),
        *CARRIER.all(),
        *DEST.all(),
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
