"""What every scenario has: the base of its sections, and the kinds of number that they hold."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Spread = Annotated[float, Meta(ge=0, le=1000)]
Fahrenheit = Annotated[float, Meta(ge=-500, le=5000)]  # what a 16-bit reading holds, noise included


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section: immutable, and a key nobody knows is an error."""


class Grid(Settings, frozen=True):
    """The island's squares: x in 0..width-1, y in 0..height-1."""

    width: Annotated[int, Meta(ge=1, le=1000)]
    height: Annotated[int, Meta(ge=1, le=1000)]

    @property
    def cells(self) -> int:
        """Number of cells; cell number ``x * height + y`` runs in (x, y) order."""
        return self.width * self.height


class Named(Settings, frozen=True):
    """What names a scenario, and the suite that ``zakar check`` holds its datasets against: ``none`` for integrity."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$", description="small letters, digits and -, a letter first")]
    title: str
    description: str
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    checks: Literal["none", "classic", "island"]
