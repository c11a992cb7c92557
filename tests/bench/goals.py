"""The table of `make bench`: every figure beside its goal."""

from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """One measured figure. `goal` is 0 where none is set; `profile` names what is profiled when the goal is missed."""

    name: str
    value: float
    unit: str = ""
    goal: float = 0.0
    more: bool = True  # more is better
    profile: str = ""  # receive, process or deliver

    @property
    def met(self) -> bool:
        return not self.goal or (self.value >= self.goal if self.more else self.value <= self.goal)


def show(figures: list[Figure], console: Console) -> None:
    """Print the table."""
    table = Table("figure", title="backstory", title_justify="left")
    for head in ("measured", "goal", ""):
        table.add_column(head, justify="right")
    for one in figures:
        goal = f"{'>=' if one.more else '<='} {number(one.goal)}" if one.goal else ""
        said = "" if not one.goal else "met" if one.met else f"[red]missed by {missed(one)}"
        table.add_row(one.name, f"{number(one.value)} {one.unit}".strip(), goal, said)
    console.print(table)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def missed(one: Figure) -> str:
    share = one.goal / one.value if one.more else one.value / one.goal
    return f"{(share - 1) * 100:.0f} %"
