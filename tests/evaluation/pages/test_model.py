"""A page holds everything in one file, and nothing that it shows is markup."""

import base64
from html.parser import HTMLParser

import pytest

from coral_plugin.evaluation.pages.model import (
    LARGEST_PICTURE,
    Definition,
    Definitions,
    Folded,
    Heading,
    Listing,
    Page,
    PageCell,
    PageGroup,
    PagePicture,
    PageSection,
    PageTable,
    Paragraphs,
)

EVIL = "<script>alert('x')</script>\"><img src=x onerror=y>{{ 7 * 6 }}"


class Reader(HTMLParser):
    """Tags with their attributes, and the text between."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "dots.png"
    path.write_bytes(b"\x89PNG")
    return path


def every_item(text, picture):
    cells = [PageCell(text), PageCell(text, "best"), PageCell(text, "second")]
    return [
        Paragraphs([text]),
        Heading(text),
        Listing(text),
        Definitions([Definition(text, text, text, [text])]),
        PageTable([text] * 3, [PageGroup([cells], text)], [text]),
        Folded(text, [PageTable([text] * 3, [PageGroup([cells])], words=True)]),
        PagePicture(text, picture),
    ]


def test_whatever_data_hold_is_text(picture):
    sections = [PageSection(EVIL, every_item(EVIL, picture))]
    page = Page(EVIL, EVIL, [EVIL], [(EVIL, EVIL)], sections).html()
    read = Reader(page)
    assert read.open == []
    names = [tag for tag, _ in read.tags]
    assert "script" not in names
    assert names.count("img") == 1
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert read.text.count(EVIL) == 31  # 8 above the content, 23 in the items
    assert dict(read.tags)["img"]["alt"] == EVIL


def test_a_page_loads_nothing_and_needs_no_script(picture):
    page = Page("t", "k", sections=[PageSection("Pictures", every_item("plain", picture))]).html()
    addresses = [a[key] for _, a in Reader(page).tags for key in ("src", "href") if key in a]
    assert addresses == ["#pictures", "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()]
    assert "default-src 'none'" in page
    for text in ("prefers-color-scheme: dark", "@media print", "position: sticky", "@media (max-width"):
        assert text in page
    assert "url(" not in page
    assert "@import" not in page


def test_marks_and_groups_of_a_table(picture):
    groups = [PageGroup([[PageCell("a"), PageCell("1", "best")], [PageCell("b"), PageCell("2", "second")]], "ours")]
    page = Page("t", "k", sections=[PageSection("s", [PageTable(["method", "score"], groups, ["a note"])])]).html()
    assert '<strong class="best">1</strong>' in page
    assert "<u>2</u>" in page
    assert '<tr class="group"><th colspan="2" scope="rowgroup"><span>ours</span></th></tr>' in page
    assert "<p>a note</p>" in page
    assert page.count('<p class="sideways">Scroll the table sideways to see all of it.</p>') == 1


def test_numbers_stay_in_one_line_and_marks_hang_beside_them():
    rows = [[PageCell("a"), PageCell("1.0 ± 0.1 †")], [PageCell("b"), PageCell("2.0 †", "second")]]
    page = Page("t", "k", ["1 ± 2 % (p < 0.05)"], sections=[PageSection("s", [PageTable("mn", [PageGroup(rows)])])])
    text = page.html()
    assert '<td>1.0 ± 0.1<span class="hanging"> †</span></td>' in text
    assert '<td><u>2.0</u><span class="hanging"> †</span></td>' in text
    assert "1\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}2\N{NO-BREAK SPACE}% (p\N{NO-BREAK SPACE}&lt;" in text


def test_sections_without_content_are_left_out():
    page = Page("t", "k", sections=[PageSection("Empty", []), PageSection("Full", [Paragraphs(["x"])])]).html()
    assert "Empty" not in page
    assert '<a href="#full">Full</a>' in page


def test_a_picture_that_is_too_large_is_named_instead(picture):
    picture.write_bytes(b"0" * (LARGEST_PICTURE + 1))
    page = Page("t", "k", sections=[PageSection("s", [PagePicture("every seed", picture)])]).html()
    assert "every seed: the picture is too large for this page; see dots.png." in page
    assert len(page) < 20_000
