"""A picture of samples is one that a browser takes, and shows what they are."""

from xml.etree import ElementTree as ET

import pytest

from tests.soak import plot
from tests.soak.plot import Series

RISING: Series = ("memory <MiB>", [(10.0 * number, float(number)) for number in range(120)])
FLAT: Series = ("descriptors", [(10.0 * number, 9.0) for number in range(120)])
NOTHING: Series = ("staging", [(10.0 * number, 0.0) for number in range(120)])
EMPTY: Series = ("no samples", [])


def test_the_picture_is_xml_with_a_line_for_each_figure() -> None:
    tree = ET.fromstring(plot.svg("a < b & c", [RISING, FLAT, NOTHING, EMPTY], notes=["flat"]))
    lines = tree.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [120, 120, 120, 0]
    heights = [float(place.split(",")[1]) for place in lines[0].attrib["points"].split()]
    assert heights == sorted(heights, reverse=True)         # up is a small y
    words = [text.text for text in tree.findall(".//{http://www.w3.org/2000/svg}text")]
    assert {"a < b & c", "memory <MiB>", "0 to 119", "flat", "19 min 50 s"} <= set(words)


def test_a_terminal_gets_the_same() -> None:
    rising, flat, nothing, empty = plot.text([RISING, FLAT, NOTHING, EMPTY]).splitlines()
    assert rising.split("  ")[1] == "".join(sorted(rising.split("  ")[1]))
    assert rising.endswith("0 to 119, at the end 119")
    assert flat.endswith(f"{'█' * plot.COLUMNS}  9 to 9, at the end 9")
    assert f"{'▁' * plot.COLUMNS}  0 to 0" in nothing
    assert empty.endswith("no sample")


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_bars_are_as_many_whatever_the_samples(count: int) -> None:
    assert len(plot.bars([(float(number), 1.0) for number in range(count)])) == plot.COLUMNS
