"""What the tests of the pictures share."""

import csv

import pytest
from PIL import Image


@pytest.fixture
def check_picture():
    """Function from the path of a picture without ending to the rows of its CSV; it checks the three files."""
    return _check_picture


def _check_picture(path):
    """The three files are there, the PNG is of a readable size and has colours; the rows of the CSV come back."""
    with Image.open(f"{path}.png") as image:
        assert min(image.size) >= 300
        assert max(image.size) <= 2400
        assert len(image.convert("RGB").getcolors(maxcolors=image.size[0] * image.size[1])) > 20
    text = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "</svg>" in text
    assert sorted(file.suffix for file in path.parent.glob(f"{path.name}.*")) == [".csv", ".png", ".svg"]
    with path.with_name(f"{path.name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
