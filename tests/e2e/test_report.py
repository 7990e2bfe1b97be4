# SPDX-License-Identifier: MIT
"""The wear report in a browser: as narrow as a phone, as wide as a desk, in the dark, and on paper.

The story: somebody is sent the file, opens it where they are, and understands it: nothing is fetched, nothing runs,
nothing sticks out, no label covers another, text stands out from its ground. What the page says is asked by
tests/unit/test_report.c; this asks what only a browser knows.
"""

import re
import shutil
import subprocess
import xml.dom.minidom

import pytest

from browser import Browser
from conftest import SUPPORT

VIEWS = ["busy", "fresh", "worn", "outage", "hostile", "full", "none", "nodisk"]
WITH_HISTORY = ["busy", "fresh", "worn", "outage", "hostile", "full"]
WIDTHS = [390, 1200]
CONTRAST_MIN = 4.5

# Elements that hold text of their own and can be seen.
TEXTS = """
const texts = [...document.body.querySelectorAll('*')].filter(one => one.checkVisibility() && !one.closest('svg')
    && [...one.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
const luminance = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).slice(0, 3).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = one => {
    for (; one; one = one.parentElement) {
        const colour = getComputedStyle(one).backgroundColor;
        if (!/, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
};
const contrast = one => {
    const [a, b] = [getComputedStyle(one).color, ground(one)].map(luminance).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
};
"""


def ask(browser, expression):
    return browser.value(f"(() => {{ {TEXTS} return {expression}; }})()")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Path of each view's page."""
    home = tmp_path_factory.mktemp("report")
    for view in VIEWS:
        done = subprocess.run([SUPPORT / "report_sample", view], capture_output=True, timeout=60, check=True)
        (home / f"{view}.html").write_bytes(done.stdout)
    return {view: home / f"{view}.html" for view in VIEWS}


@pytest.fixture(scope="module")
def browser():
    if not Browser.is_there():
        pytest.skip("no chromium (make deps)")
    with Browser() as one:
        yield one


@pytest.mark.parametrize("view", VIEWS)
def test_any_parser_reads_it(pages, view):
    document = xml.dom.minidom.parse(str(pages[view]))
    assert document.documentElement.tagName == "html"
    assert not document.getElementsByTagName("script")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_nothing_is_asked_for(browser, pages, view, width):
    browser.show(pages[view], width)
    # Not innerWidth: a phone zooms out until all fits, and says so much then.
    assert browser.value("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    out = ask(browser, "texts.filter(one => !one.closest('.scroll')).filter(one => {"
                       f"const box = one.getBoundingClientRect(); return box.left < 0 || box.right > {width}; }})"
                       ".map(one => one.className + ': ' + one.textContent.slice(0, 60))")
    assert out == []
    assert browser.requests == [f"file://{pages[view]}"]
    assert browser.value("document.title").startswith("Wear of ")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_is_large_and_stands_out(browser, pages, view, width, dark):
    browser.show(pages[view], width, dark=dark)
    assert ask(browser, "Math.min(...texts.map(one => parseFloat(getComputedStyle(one).fontSize)))") >= 10
    faint = ask(browser, f"texts.filter(one => contrast(one) < {CONTRAST_MIN})"
                         ".map(one => one.className + ': ' + one.textContent.slice(0, 40) + contrast(one))")
    assert faint == []


@pytest.mark.parametrize("view", WITH_HISTORY)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_label_covers_another(browser, pages, view, width):
    browser.show(pages[view], width)
    assert browser.value("document.querySelectorAll('.x span').length") >= 3
    covered = ask(browser, """[...document.querySelectorAll('.x, .y')].flatMap(side => {
        const labels = [...side.children].filter(one => one.checkVisibility());
        const boxes = labels.map(one => one.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.left < b.right && b.left < a.right
            && a.top < b.bottom && b.top < a.bottom).map(() => labels[i].textContent));
    })""")
    assert covered == []


@pytest.mark.parametrize("view", WITH_HISTORY)
def test_the_charts_can_be_seen_and_be_heard(browser, pages, view):
    browser.show(pages[view], 390)
    charts = browser.value("""[...document.querySelectorAll('.plot > svg')].map(one =>
        [one.getAttribute('role'), one.getAttribute('aria-label'), one.clientWidth, one.clientHeight])""")
    assert len(charts) == 3
    for role, label, width, height in charts:
        assert role == "img" and len(label) > 20 and width > 280 and height >= 80
    bars = browser.value("""[...document.querySelectorAll('.tall g')].map(one => {
        const box = one.getBoundingClientRect(), frame = one.ownerSVGElement.getBoundingClientRect();
        return [one.querySelector('title').textContent, box.height > 0 && box.top >= frame.top - 1
            && box.bottom <= frame.bottom + 1 && box.left >= frame.left - 1 && box.right <= frame.right + 1];
    })""")
    assert bars and all(": " in title and is_within for title, is_within in bars)


def luminance_of(browser):
    """Of the ground, from 0 to 1, as it is painted."""
    colour = browser.value("getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


def test_it_is_dark_where_that_is_wished_for_and_never_on_paper(browser, pages):
    browser.show(pages["busy"], 390, dark=False)
    light = browser.picture()
    assert luminance_of(browser) > 0.95
    browser.look(390, dark=True)
    dark = browser.picture()
    assert luminance_of(browser) < 0.2
    browser.look(390, dark=True, media="print")
    assert luminance_of(browser) > 0.95
    for picture in light, dark:
        assert picture.startswith(b"\x89PNG") and len(picture) > 30000, "it is not blank"
    assert light != dark


@pytest.mark.parametrize("view", VIEWS)
def test_it_prints(browser, pages, view, tmp_path):
    browser.show(pages[view], 1200, dark=True)
    paper = browser.pdf()
    sheets = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert paper.startswith(b"%PDF") and sheets >= 1
    if view in ("busy", "fresh", "worn", "outage"):
        assert sheets <= 3, "what a machine has to say fits three sheets"
    if shutil.which("pdftotext"):
        (tmp_path / "page.pdf").write_bytes(paper)
        text = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, timeout=60,
                              check=True).stdout
        assert "What logboom kept off the card" in text and "The same as a table" not in text


def test_names_that_are_markup_run_nothing(browser, pages):
    browser.show(pages["hostile"], 1200)
    assert browser.value("document.scripts.length + document.images.length + document.links.length") == 0
    assert "<script src=//x>" in browser.value("document.querySelector('h1').textContent")


def test_the_table_has_what_the_chart_shows(browser, pages):
    browser.show(pages["busy"], 390)
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.value("document.documentElement.scrollWidth") <= 390, "a wide table scrolls by itself"
    heads = browser.value("[...document.querySelector('table').tHead.rows[0].cells].map(one => one.textContent)")
    assert heads[:3] == ["From", "All", "python3"] and heads[-2:] == ["others", "unattributed"]
    rows = browser.value("[...document.querySelector('table').tBodies[0].rows].map(one => one.cells.length)")
    assert set(rows) == {len(heads)} and 24 <= len(rows) <= 36
