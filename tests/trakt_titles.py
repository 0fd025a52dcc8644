"""Simulated titles whose half-life, intensity and ratings are known, for tests and benchmarks of the metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["Draw", "Group", "exponential_times", "poisson", "power_law_times", "rating"]


def exponential_times(draw: random.Random, n: int, half_life_d: float, age_d: float) -> list[float]:
    """Draw the times of n comments whose rate halves every ``half_life_d`` days, of a title of that age."""
    rate = math.log(2) / half_life_d
    within = -math.expm1(-rate * age_d)
    return [-math.log1p(-draw.random() * within) / rate for _ in range(n)]


def power_law_times(
    draw: random.Random, n: int, exponent: float, age_d: float, *, offset_d: float = 1.0
) -> list[float]:
    """Draw the times of n comments whose rate falls as (days + offset)^-exponent; the exponent is not 1."""
    power = 1 - exponent
    most = math.expm1(power * math.log1p(age_d / offset_d))
    return [offset_d * math.expm1(math.log1p(draw.random() * most) / power) for _ in range(n)]


def poisson(draw: random.Random, mean: float) -> int:
    """Draw a Poisson count by inversion; the mean is below 700."""
    count, part = 0, math.exp(-mean)
    total, height = part, draw.random()
    while total < height and count < 10 * mean + 100:
        count += 1
        part *= mean / count
        total += part
    return count


def rating(draw: random.Random, level: float) -> int:
    """Draw a rating from 1 to 10 around a level between 0 and 10; spread and skewed as real ones are."""
    shape = 0.4 * level
    return min(10, max(1, math.ceil(10 * draw.betavariate(shape, 4 - shape))))


@dataclass(frozen=True)
class Draw:
    """One draw of the counts of a group's titles."""

    commenters: list[int]
    comments: list[int]
    squares: list[float]


@dataclass(frozen=True)
class Group:
    """Titles whose expected breadth and intensity are known."""

    breadths: list[float]
    intensities: list[float]

    @classmethod
    def of(cls, draw: random.Random, titles: int, *, mean: float = 0.35, shape: float = 2.0) -> Group:
        """Draw a group: breadths are log-normal around 60, intensities gamma distributed."""
        return cls(
            [min(math.exp(draw.gauss(math.log(60), 0.9)), 650.0) for _ in range(titles)],
            [draw.gammavariate(shape, mean / shape) for _ in range(titles)],
        )

    def draw(self, draw: random.Random, *, habit: float | None = None) -> Draw:
        """Draw counts; with a habit, people differ in how often they comment, by a gamma distribution of that shape."""
        commenters, comments, squares = [], [], []
        for breadth, intensity in zip(self.breadths, self.intensities, strict=True):
            people = max(1, poisson(draw, breadth))
            rates = (intensity * (draw.gammavariate(habit, 1 / habit) if habit else 1.0) for _ in range(people))
            further = [poisson(draw, rate) for rate in rates]
            commenters.append(people)
            comments.append(people + sum(further))
            squares.append(float(sum(each * each for each in further)))
        return Draw(commenters, comments, squares)
