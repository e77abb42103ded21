"""What is known of airports and airlines as time goes by: how late flights were lately, and the weather."""

from headwater.declare import Aggregations, Feature, FeatureView, count, mean

OWNER = "flights team"


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


DELAYS = (
    delays("origin", "Flights that left this airport."),
    delays("carrier", "This airline's flights out of New York."),
    delays("dest", "Flights from New York to this airport."),
)
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
