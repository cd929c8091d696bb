"""What the guarded release tells, and what nobody can find out from it.

An adversary who knows every released count exactly, before rounding, and how topics are nested,
asks what a count of flagged addresses can be at least and at most: a linear programme over all
ways in which addresses may have come. He also knows the rules, and tries every other table that
gives the same answer.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from donkeywatch.counting.calendar import FIRST_MONDAY, HOUR, WEEK
from donkeywatch.publish.release import (
    FLOOR,
    MIN_RELEASED_ADDRESSES,
    ROUNDING,
    release_week,
    round_count,
)
from donkeywatch.store.released import ExactCounts, ReleasedRow, WeekCounts

EXAMPLES = int(os.environ.get("DONKEYWATCH_EXAMPLES", "1000"))
START = FIRST_MONDAY + 2900 * WEEK
TOPICS = ("alpha", "beta")
SIZES = (1, 3, 5, 8, 9, 10, 11, 12, 15, 19, 20, 25, 40, 90, 100, 130)


@dataclass(frozen=True)
class Group:
    """Addresses that do the same; a state by hour: 0 absent, else one more than topic bits."""

    country: int
    states: tuple[int, ...]
    repeats: int
    """More queries for each topic that an address is flagged for in an hour."""
    size: int

    def flagged(self, hour: int, topic: int) -> bool:
        """Is each of them flagged for a topic in an hour?"""
        return self.states[hour] > 0 and bool((self.states[hour] - 1) >> topic & 1)


def nested_states(topics: int, *, nested: bool) -> list[int]:
    """States of an hour; where topics are nested, what is flagged for the first is for all."""
    masks = [
        mask for mask in range(1 << topics) if not (nested and mask & 1 and mask + 1 < 1 << topics)
    ]
    return [0, *(mask + 1 for mask in masks)]


@dataclass(frozen=True)
class World:
    """Everybody who came in a week."""

    hours: int
    countries: int
    topics: int
    nested: bool
    groups: tuple[Group, ...]

    def counts(self) -> WeekCounts:
        """The tables that the daemon would have counted."""
        hours, countries = range(self.hours), range(self.countries)
        return WeekCounts(
            START,
            self.cell(self.groups, hours),
            {START + hour * HOUR: self.cell(self.groups, [hour]) for hour in hours},
            {
                f"C{country}": self.cell([g for g in self.groups if g.country == country], hours)
                for country in countries
                if any(g.country == country for g in self.groups)
            },
        )

    def cell(self, groups: Iterable[Group], hours: Sequence[int]) -> ExactCounts:
        """Counts of some hours."""
        queries = addresses = 0
        flagged = dict.fromkeys(range(self.topics), (0, 0))
        for group in groups:
            present = sum(group.states[hour] > 0 for hour in hours)
            addresses += group.size * (present > 0)
            queries += group.size * present
            for topic in range(self.topics):
                times = sum(group.flagged(hour, topic) for hour in hours)
                many, who = flagged[topic]
                more = group.size * times * (1 + group.repeats)
                queries += group.size * times * group.repeats
                flagged[topic] = many + more, who + group.size * (times > 0)
        return ExactCounts(
            queries, addresses, {TOPICS[topic]: pair for topic, pair in flagged.items()}
        )


@st.composite
def rich_worlds(draw: st.DrawFn) -> World:
    """Weeks of which much is released: one topic holds the other, which is frequent everywhere."""
    hours, countries = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    quiet, outer, inner = 1, 3, 4  # Flagged for no topic, for the second, for both.
    groups = []
    for country in range(countries):
        groups.append(Group(country, (quiet,) * hours, 0, draw(st.sampled_from((150, 400)))))
        groups.append(Group(country, (inner,) * hours, 1, 40))
        for hour in range(hours):
            for state in (inner, outer):
                states = tuple(state if h == hour else 0 for h in range(hours))
                groups.append(Group(country, states, 0, draw(st.sampled_from(SIZES))))
    return World(hours, countries, 2, True, tuple(groups))


def worlds() -> st.SearchStrategy[World]:
    """Weeks of both kinds."""
    return small_worlds() | rich_worlds()


@st.composite
def small_worlds(draw: st.DrawFn) -> World:
    """Small weeks about the limits, with a crowd that is not flagged."""
    hours, countries = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    topics, nested = draw(st.integers(1, 2)), draw(st.booleans())
    states = st.sampled_from(nested_states(topics, nested=nested))
    group = st.builds(
        Group,
        st.integers(0, countries - 1),
        st.tuples(*[states] * hours).filter(any),
        st.integers(0, 3),
        st.sampled_from(SIZES),
    )
    crowd = [
        Group(country, (1,) * hours, 0, draw(st.sampled_from((0, 60, 100, 250, 400))))
        for country in range(countries)
    ]
    groups = (*(g for g in crowd if g.size), *draw(st.lists(group, min_size=1, max_size=8)))
    return World(hours, countries, topics, nested, tuple(groups))


# -- the adversary -------------------------------------------------------------------------

Functional = Callable[[Group], bool]
"""Which addresses a count is of."""


@cache
def atoms(hours: int, countries: int, topics: int, nested: bool) -> list[Group]:
    """Every way in which an address may have come."""
    states = nested_states(topics, nested=nested)
    ways = [way for way in itertools.product(states, repeat=hours) if any(way)]
    return [Group(country, way, 0, 1) for country in range(countries) for way in ways]


def is_flagged(topic: int, hours: Sequence[int]) -> Functional:
    """Was an address flagged in one of the hours?"""
    return lambda group: any(group.flagged(hour, topic) for hour in hours)


def _both(first: Functional, second: Functional) -> Functional:
    return lambda group: first(group) and second(group)


def equations(world: World, rows: Sequence[ReleasedRow]) -> tuple[list[Functional], list[int]]:
    """What is released of addresses: which they are, and how many, exactly."""
    every = range(world.hours)
    counted: dict[object, tuple[Functional, int]] = {}

    def tell(key: object, who: Functional) -> None:
        counted[key] = who, sum(group.size for group in world.groups if who(group))

    for row in rows:
        hours = [(row.start - START) // HOUR] if row.kind == "hour" else every
        figures = json.loads(row.figures)
        if "addresses" not in figures:
            continue
        country = int(row.country[1:]) if row.country else None

        def of_cell(
            group: Group, hours: Sequence[int] = hours, country: int | None = country
        ) -> bool:
            inside = country is None or group.country == country
            return inside and any(group.states[hour] for hour in hours)

        tell((row.kind, row.start, row.country), of_cell)
        if row.topic:
            flagged = is_flagged(TOPICS.index(row.topic), hours)
            tell((row.kind, row.start, row.country, row.topic), _both(of_cell, flagged))
    return [who for who, _ in counted.values()], [count for _, count in counted.values()]


def bounds(world: World, rows: Sequence[ReleasedRow], who: Functional) -> tuple[float, float]:
    """The least and the most that a count can be, for all that is released."""
    ways = atoms(world.hours, world.countries, world.topics, world.nested)
    # Who has sent nothing in a country that nobody came from is known by that.
    functionals, counts = equations(world, rows)
    matrix = np.array([[f(way) for way in ways] for f in functionals], float)
    aim = np.array([who(way) for way in ways], float)
    ends = []
    for sign in (1, -1):
        kind = {"A_eq": matrix, "b_eq": counts} if functionals else {}
        answer = linprog(sign * aim, **kind, method="highs")
        if answer.status == 3:  # Nothing limits it.
            ends.append(float("inf"))
        else:
            assert answer.status == 0, answer.message
            ends.append(sign * answer.fun)
    return ends[0], ends[1]


@st.composite
def questions(draw: st.DrawFn, world: World) -> tuple[str, Functional]:
    """A count of flagged addresses that is not released by itself."""
    every = range(world.hours)
    hours = draw(st.sampled_from([every, *([hour] for hour in every)]))
    country = draw(st.sampled_from([None, *range(world.countries)]))
    outside = draw(st.booleans())
    topic = draw(st.integers(0, world.topics - 1).map(lambda n: world.topics - 1 - n))
    other = draw(st.integers(0, world.topics - 1))
    kind = draw(st.sampled_from(("in", "not otherwise", "and elsewhere", "not the other", "both")))
    rest = [hour for hour in every if hour not in hours]
    here, there = is_flagged(topic, hours), is_flagged(topic, rest)
    beside = is_flagged(other, hours)

    def who(group: Group) -> bool:
        if country is not None and (group.country == country) is outside:
            return False
        return (
            here(group)
            and {
                "in": True,
                "not otherwise": not there(group),
                "and elsewhere": there(group),
                "not the other": not beside(group),
                "both": beside(group),
            }[kind]
        )

    return f"{kind} {topic} {other} {list(hours)} {country} {outside}", who


@pytest.mark.untraced
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_no_count_below_the_floor_can_be_told_from_all_that_is_released(
    data: st.DataObject,
) -> None:
    """Not from totals less parts, hours and week, countries and week, or one topic and another.

    Whatever is below the floor may also be something else, by more than rounding changes.
    """
    world = data.draw(worlds())
    rows = release_week(world.counts(), TOPICS[: world.topics])
    if all(not row.topic for row in rows):
        return  # Nothing that is flagged is told.
    name, who = data.draw(questions(world))
    ways = atoms(world.hours, world.countries, world.topics, world.nested)
    assume(any(who(way) for way in ways))  # Else the question has no answer but zero.
    count = sum(group.size for group in world.groups if who(group))
    if count >= FLOOR:
        return
    least, most = bounds(world, rows, who)
    assert most - least >= ROUNDING, (name, least, count, most)


@pytest.mark.untraced
@settings(max_examples=EXAMPLES)
@given(worlds())
def test_every_figure_is_rounded_and_of_ten_flagged_addresses(world: World) -> None:
    """Of a hundred addresses; flagged queries only with ten more than addresses."""
    counts = world.counts()
    for row in release_week(counts, TOPICS[: world.topics]):
        figures = json.loads(row.figures)
        cell = counts.total if row.kind == "week" else counts.hours[row.start]
        cell = counts.countries[row.country] if row.country else cell
        for name in ("queries", "addresses", "flagged_queries", "flagged_addresses"):
            assert (figures.get(name) or 0) % ROUNDING == 0
        if "addresses" in figures:
            assert cell.addresses >= MIN_RELEASED_ADDRESSES
        if row.topic:
            queries, addresses = cell.flagged[row.topic]
            assert addresses >= FLOOR
            assert figures["flagged_addresses"] == round_count(addresses)
            assert cell.addresses - addresses >= FLOOR
            lower_upper = figures["address_fraction"][1:]
            assert lower_upper[0] <= addresses / cell.addresses <= lower_upper[1]
            if figures["flagged_queries"] is not None:
                assert queries - addresses >= FLOOR


@pytest.mark.untraced
@settings(max_examples=EXAMPLES)
@given(worlds(), st.integers(0, FLOOR - 1), st.integers(0, FLOOR - 1), st.booleans())
def test_a_topic_below_the_floor_leaves_every_byte_as_it_is(
    world: World, before: int, after: int, first: bool
) -> None:
    """In whichever hours and countries, and beside whatever other flags of the same queries."""
    counts = world.counts()
    topics = ("gamma", *TOPICS[: world.topics]) if first else (*TOPICS[: world.topics], "gamma")

    def with_flagged(addresses: int) -> list[ReleasedRow]:
        def marked(cell: ExactCounts) -> ExactCounts:
            who = min(addresses, cell.addresses)
            return replace(cell, flagged={**cell.flagged, "gamma": (3 * who, who)})

        hours = {start: marked(cell) for start, cell in counts.hours.items()}
        countries = {name: marked(cell) for name, cell in counts.countries.items()}
        changed = replace(counts, total=marked(counts.total), hours=hours, countries=countries)
        return release_week(changed, topics)

    assert with_flagged(before) == with_flagged(after)


@pytest.mark.untraced
@settings(max_examples=EXAMPLES)
@given(worlds(), st.data())
def test_an_hour_below_the_floor_may_have_anything_below_it(
    world: World, data: st.DataObject
) -> None:
    """The same answer for each number, so that nobody learns which it was."""
    counts = world.counts()
    start = data.draw(st.sampled_from(sorted(counts.hours)))
    topic = data.draw(st.sampled_from(TOPICS[: world.topics]))
    answers = []
    for addresses in range(FLOOR):
        cell = counts.hours[start]
        changed = replace(cell, flagged={**cell.flagged, topic: (addresses, addresses)})
        week = replace(counts, hours={**counts.hours, start: changed})
        answers.append(release_week(week, TOPICS[: world.topics]))
    assert all(answer == answers[0] for answer in answers)
    assert not any(row.kind == "hour" and row.topic == topic for row in answers[0])


@st.composite
def country_tables(draw: st.DrawFn) -> WeekCounts:
    """Two to five countries about the floor."""
    cells = {
        f"C{number}": ExactCounts(
            2000, draw(st.sampled_from((90, 100, 150, 400, 401))), {"alpha": (n, n)}
        )
        for number, n in enumerate(draw(st.lists(st.integers(0, 24), min_size=2, max_size=5)))
    }
    addresses = sum(cell.addresses for cell in cells.values())
    flagged = sum(cell.flagged_addresses("alpha") for cell in cells.values())
    total = ExactCounts(10**4, addresses, {"alpha": (flagged, flagged)})
    return WeekCounts(START, total, {}, cells)


@pytest.mark.untraced
@settings(max_examples=EXAMPLES)
@given(country_tables(), st.data())
def test_who_knows_the_rules_cannot_tell_a_country_that_is_not_named(
    week: WeekCounts, data: st.DataObject
) -> None:
    """Other tables with the same totals have the same answer, and quite another figure there."""
    answer = release_week(week, ("alpha",))
    named = {row.country for row in answer if row.country}
    hidden = [name for name in week.countries if name not in named]
    small = [n for n in hidden if week.countries[n].flagged_addresses("alpha") < FLOOR]
    if not named or not small:
        return
    country = data.draw(st.sampled_from(small))
    assert len(hidden) > 1
    possible = set()
    for other in hidden:
        both = sum(week.countries[n].flagged_addresses("alpha") for n in {country, other})
        for flagged in range(both + 1) if other != country else ():
            cells = dict(week.countries)
            for name, n in ((country, flagged), (other, both - flagged)):
                cells[name] = replace(cells[name], flagged={"alpha": (n, n)})
            if release_week(replace(week, countries=cells), ("alpha",)) == answer:
                possible.add(flagged)
    reach = sum(week.countries[n].flagged_addresses("alpha") for n in hidden)
    assert reach >= FLOOR
    # Two at a time are changed: with more, all of the rest may be its own.
    assert max(possible) - min(possible) >= ROUNDING or len(hidden) > 2


def test_a_small_week_says_that_it_is_decided_and_no_more() -> None:
    """With fewer than a hundred addresses not even totals are told."""
    total = ExactCounts(500, 99, {"alpha": (60, 40)})
    rows = release_week(
        WeekCounts(START, total, {START: total}, {"FR": total}, ["lexicon"]), TOPICS
    )
    assert rows == [ReleasedRow("week", START, "", "", '{"breaks": ["lexicon"]}')]


def test_one_hour_below_the_floor_keeps_all_hours_of_its_topic_back() -> None:
    """With the others and the week it could be told by subtraction."""
    hours = {START + n * HOUR: ExactCounts(900, 300, {"alpha": (60, 30)}) for n in range(5)}
    week = WeekCounts(START, ExactCounts(4500, 900, {"alpha": (300, 90)}), hours, {})
    kinds = [(row.kind, row.topic) for row in release_week(week, TOPICS)]
    assert kinds.count(("hour", "alpha")) == 5
    fewer = {**hours, START: ExactCounts(900, 300, {"alpha": (60, FLOOR - 1)})}
    kinds = [(row.kind, row.topic) for row in release_week(replace(week, hours=fewer), TOPICS)]
    assert kinds.count(("hour", "alpha")) == 0
    assert kinds.count(("hour", "")) == 5
    assert ("week", "alpha") in kinds


def test_countries_are_named_from_the_largest_to_the_first_that_may_not_be() -> None:
    """What is not named has ten flagged addresses together."""
    cells = {
        name: ExactCounts(9 * addresses, addresses, {"alpha": (3 * flagged, flagged)})
        for name, addresses, flagged in (
            ("FR", 900, 40), ("DE", 700, 30), ("ES", 500, 4), ("IT", 300, 20), ("PT", 50, 2),
        )
    }  # fmt: skip
    week = WeekCounts(START, ExactCounts(22050, 2450, {"alpha": (288, 96)}), {}, cells)
    named = [row.country for row in release_week(week, TOPICS) if row.country]
    assert named == ["FR", "DE"]


def test_of_two_topics_that_nearly_agree_the_later_is_left_out() -> None:
    """One may hold the other, and what is only in the larger would be told by subtraction."""

    def released(flagged: int) -> list[str]:
        both = {"alpha": (90, 50), "beta": (90, flagged)}
        week = WeekCounts(START, ExactCounts(900, 300, both), {}, {})
        return [row.topic for row in release_week(week, TOPICS) if row.topic]

    assert released(50 + FLOOR) == ["alpha", "beta"]
    assert released(50 + FLOOR - 1) == released(50) == released(50 - FLOOR + 1) == ["alpha"]
    assert released(50 - FLOOR) == ["alpha", "beta"]


def test_topics_that_nearly_agree_in_one_hour_are_not_both_told_in_any() -> None:
    """The later is left out of all hours, and stays in the week."""

    def hours_of(differing: int) -> list[tuple[str, str]]:
        hours = {
            START + n * HOUR: ExactCounts(900, 300, {"alpha": (60, 30), "beta": (200, 30 + more)})
            for n, more in enumerate((50, differing, 50))
        }
        total = ExactCounts(2700, 600, {"alpha": (180, 70), "beta": (600, 130)})
        rows = release_week(WeekCounts(START, total, hours, {}), TOPICS)
        return [(row.kind, row.topic) for row in rows]

    for kinds, count in ((hours_of(FLOOR), 3), (hours_of(FLOOR - 1), 0)):
        assert kinds.count(("hour", "alpha")) == 3
        assert kinds.count(("hour", "beta")) == count
        assert ("week", "beta") in kinds


def test_topics_that_nearly_agree_in_a_country_are_not_both_told_there() -> None:
    """The country ends what the later one names; neither may the rest tell their difference."""

    def named(differing: int, rest: int = 50) -> list[str]:
        pairs = {"FR": (900, 40, 90), "DE": (700, 40, 40 + differing), "ES": (500, 40, 40 + rest)}
        cells = {
            name: ExactCounts(9 * who, who, {"alpha": (9 * alpha, alpha), "beta": (9 * beta, beta)})
            for name, (who, alpha, beta) in pairs.items()
        }
        flagged = {
            topic: tuple(sum(cell.flagged[topic][n] for cell in cells.values()) for n in (0, 1))
            for topic in TOPICS
        }
        total = ExactCounts(18900, 2100, {topic: (n, who) for topic, (n, who) in flagged.items()})
        rows = release_week(WeekCounts(START, total, {}, cells), TOPICS)
        assert [row.country for row in rows if row.topic == "alpha" and row.country] == ["FR", "DE"]
        return [row.country for row in rows if row.topic == "beta" and row.country]

    assert named(FLOOR) == ["FR", "DE"]
    assert named(FLOOR - 1) == ["FR"]
    assert named(50, rest=FLOOR) == ["FR", "DE"]
    assert named(50, rest=FLOOR - 1) == ["FR"]
