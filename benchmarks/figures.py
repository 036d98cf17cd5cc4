"""What was measured, set beside what was to be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

_HEADER = ("what", "database", "ours", "beside", "ratio", "to reach", "reached")


@dataclass(frozen=True)
class Figure:
    """One line of the table: the medians of some runs.

    The goal is of `ours` itself, of its ratio to `beside`, or of its difference from it.
    """

    what: str
    database: str
    ours: Sequence[float]
    unit: str
    goal_of: Literal["ours", "ratio", "difference"]
    goal: float
    at_least: bool
    beside: Sequence[float] = ()

    @property
    def ratio(self) -> float:
        """Ours to beside."""
        return median(self.ours) / median(self.beside)

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self._judged >= self.goal if self.at_least else self._judged <= self.goal

    @property
    def _judged(self) -> float:
        match self.goal_of:
            case "ours":
                return median(self.ours)
            case "ratio":
                return self.ratio
            case "difference":
                return median(self.ours) - median(self.beside)

    def cells(self) -> tuple[str, ...]:
        """Return the line's cells, as in the header."""
        bound = "at least" if self.at_least else "at most"
        ratio = f"{self.ratio:.3f}" if self.beside else ""
        goal = f"{bound} {self.goal:g}"
        if self.goal_of == "difference":
            ratio += f" ({self._judged:+.1f} {self.unit})"
            goal += f" {self.unit} more"
        elif self.goal_of == "ours":
            goal += f" {self.unit}"
        return (
            self.what,
            self.database,
            self._show(self.ours),
            self._show(self.beside) if self.beside else "",
            ratio,
            goal,
            "yes" if self.reached else "NO",
        )

    def _show(self, runs: Sequence[float]) -> str:
        value = median(runs)
        return f"{value:,.{0 if value >= 100 else 1}f} {self.unit}"


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table, which a terminal shows well too."""
    lines = [_HEADER, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
