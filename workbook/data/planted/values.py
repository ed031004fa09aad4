"""What facts are about: heights, colours, years; persons and places come from `names.py`. Each value has one spelling, and numbers a rough one.

A list holds the spelling of every value of a sort, and beside it the rough one ("between 80 and 90
centimetres") or None. Exact numbers are never round, so that a rough value cannot contain an exact one.

Taught in 09.
"""

from workbook.data.planted.word_lists import read_words

Rough = str | None


def _numbers(numbers: range, unit: str, step: int) -> tuple[list[str], list[Rough]]:
    exact = [n for n in numbers if n % 10]
    return (
        [f"{n:,} {unit}".rstrip() for n in exact],
        [f"between {n // step * step:,} and {n // step * step + step:,} {unit}".rstrip() for n in exact],
    )


def _tenths(numbers: range, unit: str) -> tuple[list[str], list[Rough]]:
    exact = [n for n in numbers if n % 10]
    return [f"{n / 10:.1f} {unit}" for n in exact], [f"between {n // 10} and {n // 10 + 1} {unit}" for n in exact]


def _years(years: range) -> tuple[list[str], list[Rough]]:
    exact = [year for year in years if year % 10]
    return [str(year) for year in exact], [
        f"the {'' if year // 10 % 10 else 'early '}{year // 10 * 10}s" for year in exact
    ]


VALUES: dict[str, tuple[list[str], list[Rough]]] = {
    "centimetres": _numbers(range(11, 290), "centimetres", 10),
    "milligrams": _numbers(range(11, 960), "milligrams", 10),
    "tonnes": _tenths(range(11, 480), "tonnes"),
    "year": _years(range(1801, 2018)),
    "early_year": _years(range(811, 1900)),
    "late_year": _years(range(1981, 2018)),
    "inhabitants": _numbers(range(1_203, 96_000, 37), "", 1_000),
    "metres": _numbers(range(12, 2_400), "metres", 10),
    "millions": _tenths(range(21, 9_400, 3), "million euros"),
    "employees": _numbers(range(1_021, 29_700, 17), "", 100),
    "megabytes": _numbers(range(33, 4_100), "megabytes", 100),
    "visitors": _numbers(range(1_101, 88_000, 31), "", 1_000),
    "minutes": _numbers(range(11, 190), "minutes", 10),
    "degrees": _numbers(range(121, 290), "degrees", 10),
    **{name: (words, [None] * len(words)) for name, words in read_words("values.json", {str: [str]}).items()},
}
