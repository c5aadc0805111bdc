"""What every scenario has: the base of its sections, and the kinds of number that they hold."""

import datetime
from typing import Annotated, Protocol

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


Line = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00-\x1f]*$", description="a line of up to 300 characters")]


class About(Settings, frozen=True):
    """What is said of the data that a scenario makes: on its card, in its report and its metadata.

    ``creator``: who makes it available, and ``contact``, an address of theirs: nobody where they are empty.
    ``licence``: an SPDX identifier, as CC-BY-4.0 is, an address, or words. ``language``: code of the posts' language;
    empty for that of the phrase table. ``version``, and ``published``, the date, None where it is not said.
    ``island``: what the island is called in posts; empty for the scenario's name.
    """

    creator: Line = ""
    contact: Line = ""
    licence: Annotated[Line, Meta(min_length=1)] = "CC-BY-4.0"
    language: Annotated[str, Meta(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$", description="a code, as en is")] = ""
    version: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", description="three numbers, as 1.0.0 is")] = (
        "1.0.0"
    )
    published: datetime.date | None = None
    island: Annotated[
        str,
        Meta(
            max_length=40,
            pattern=r"^([^\W\d_][^{}()|\x00-\x1f]*)?$",
            description="a name of up to 40 characters, a letter first",
        ),
    ] = ""


class Named(Settings, frozen=True):
    """What names a scenario. Its model's settings add ``checks``, the suites that its datasets may be held against.

    ``none``: of the content and the baselines alone. What any island must satisfy is in every other suite.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$", description="small letters, digits and -, a letter first")]
    title: str
    description: str
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]

    @property
    def model(self) -> str:
        """The name of its model, which the key `model` gives."""
        return str(self.__struct_config__.tag)


class Days(Protocol):
    """What the calendar of every model has: the number of the days that are released."""

    @property
    def days(self) -> int: ...  # noqa: D102


class Scenario(Protocol):
    """What the settings of every model have, a frozen ``Named`` each."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def checks(self) -> str: ...  # noqa: D102
    @property
    def calendar(self) -> Days: ...  # noqa: D102
    @property
    def grid(self) -> Grid: ...  # noqa: D102
    @property
    def about(self) -> About: ...  # noqa: D102
