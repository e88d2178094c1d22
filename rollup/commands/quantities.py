"""How people write and read quantities on the command line: dollars, series, spans of time, addresses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rollup.instruments import SeriesId

MICRO: Final = 1_000_000

DOLLARS: Final = re.compile(r"\$?([0-9]{1,13})(?:\.([0-9]{1,6}))?")
UNITS: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")
MOMENT_SECONDS: Final = re.compile(r"[0-9]{1,14}")
SERIES: Final = re.compile(r"([0-9]{1,5})/([0-9]{1,8})/(c|p|call|put)", re.IGNORECASE)
SPAN: Final = re.compile(r"([0-9]{1,8})([smhd]?)")
ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")

SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Dollars(click.ParamType[int]):
    """Dollars with at most six decimals, as whole micro-dollars: nothing is rounded."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read an amount."""
        if isinstance(value, int):
            return value * MICRO
        found = DOLLARS.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not an amount like 100 or 5.25 (at most six decimals)", param, ctx)
        amount = int(found[1]) * MICRO + int((found[2] or "").ljust(6, "0"))
        if amount == 0:
            self.fail("it is zero", param, ctx)
        return amount


class Series(click.ParamType["SeriesId"]):
    """A series as GROUP/STRIKE/call or GROUP/STRIKE/put, the strike in the group's ticks."""

    name = "series"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SeriesId:
        """Read a series."""
        from rollup.instruments import series_id
        from rollup.units import WIDTH_BITS, GroupId, OptionKind, Ticks, fits

        found = SERIES.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a series like 1/3000/call (group/strike/call or put)", param, ctx)
        group, strike = int(found[1]), int(found[2])
        if not fits(group, WIDTH_BITS["GroupId"]) or not fits(strike, WIDTH_BITS["Ticks"]):
            self.fail(f"{value!r}: no group or strike has so large a number", param, ctx)
        kind = OptionKind.CALL if found[3].lower().startswith("c") else OptionKind.PUT
        return series_id(GroupId(group), Ticks(strike), kind)


class Span(click.ParamType[int]):
    """A span of time: 90, 90s, 15m, 12h or 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a span as seconds."""
        found = SPAN.fullmatch(str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is not a time like 90s, 15m, 12h or 7d", param, ctx)
        return int(found[1]) * SECONDS[found[2]]


class Units(click.ParamType[int]):
    """Units of an underlying with at most six decimals, as whole micro-units: nothing is rounded."""

    name = "units"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a quantity."""
        found = UNITS.fullmatch(str(value))
        amount = 0 if found is None else int(found[1]) * MICRO + int((found[2] or "").ljust(6, "0"))
        if amount == 0:
            self.fail(f"{value!r} is not a quantity like 1 or 0.01 (at most six decimals)", param, ctx)
        return amount


class Moment(click.ParamType[int]):
    """A moment: 2026-12-25T08:00Z with its time zone, or seconds since 1970."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a moment as seconds since 1970."""
        text = str(value)
        if MOMENT_SECONDS.fullmatch(text) is not None:
            return int(text)
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            read = None
        # Without a zone it would mean something else on every machine.
        if read is None or read.tzinfo is None or read.timestamp() < 0 or read.microsecond:
            self.fail(f"{value!r} is not a moment like 2026-12-25T08:00Z, or seconds since 1970", param, ctx)
        return int(read.timestamp())


class EthereumAddress(click.ParamType[str]):
    """An Ethereum address; one in mixed case must have the right checksum."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read an address."""
        from eth_utils.address import to_checksum_address

        text = str(value)
        is_plain = text[2:] in {text[2:].lower(), text[2:].upper()}
        if ADDRESS.fullmatch(text) is None or not (is_plain or to_checksum_address(text) == text):
            self.fail(
                f"{value!r} is not an address: 0x and 40 hexadecimal digits, with the right capitals if there"
                " are any",
                param,
                ctx,
            )
        return str(to_checksum_address(text))


class AccountName(click.ParamType[str]):
    """What a person calls an account: it becomes the name of a folder."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a name."""
        if NAME.fullmatch(str(value)) is None:
            self.fail(
                f"{value!r} is not a name: up to 32 letters, digits, hyphens and underscores", param, ctx
            )
        return str(value)


def dollars(micro_dollars: int) -> str:
    """An amount for people: cents at least, more decimals only where there are any."""
    sign, amount = ("-" if micro_dollars < 0 else ""), abs(micro_dollars)
    decimals = f"{amount % MICRO:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${amount // MICRO:,}.{decimals}"


def series_text(series: dict[str, Any]) -> str:
    """A series as the command line takes it."""
    return f"{series['group']}/{series['strike']}/{series['option']}"


def moment(seconds: int) -> str:
    """A moment for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
