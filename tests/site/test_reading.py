"""The web edition in a browser: quiet, light, on phones, by keyboard, in the dark, on paper."""

import re
from contextlib import contextmanager

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sites import SITE, WATCH, media, resize, show, wait

CHAPTER = "notebooks/04_convolution_by_hand.html"
KINDS = ["index.html", CHAPTER, "notebooks/09_a_cnn_from_scratch.html", "notebooks/GLOSSARY.html"]
AXE = SITE / "node_modules" / "axe-core" / "axe.min.js"


def test_pages_ask_our_own_server_alone_and_say_nothing(visits, address):
    for page, seen in visits.items():
        asked = [url for url in seen["requests"] if not url.startswith("data:")]
        assert f"{address}/{page}" in asked
        assert not [url for url in asked if not url.startswith(address)], page
        assert not seen["said"], page


def test_chapters_are_light_and_nothing_moves_while_they_load(visits):
    for page, seen in visits.items():
        assert 100e3 < seen["bytes"] < 600e3, (page, seen["bytes"])
        assert not seen["shift"], (page, seen["shift"])


def test_live_figure_has_its_room_before_it_comes(visits):
    """Else what stands below it moves, and a jump to an anchor misses."""
    rooms = [one for seen in visits.values() for one in seen["room"]]
    assert len(rooms) == 2 * len(list((SITE / "live").glob("*.js")))
    wrong = [one for one in rooms if not one[2] <= one[3] <= 1.25 * one[2] + 40]
    assert not wrong  # figure, width of the window, its height, its room in site.css


def test_pages_fit_phones(visits):
    wide = {page: w for page, seen in visits.items() for w, n in seen["wide"].items() if n > w}
    assert len(visits) > 30 and not wide


def test_page_that_does_not_fit_or_moves_is_noticed(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<meta name=viewport content=width=device-width><div id=a></div>"
        "<p style='width:500px'>x</p><p>y</p>"
    )
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    resize(browser, 320)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") > 320
    wait(browser, "return performance.getEntriesByType('paint').length")
    browser.execute_script("a.style.height = '90px'")
    ((value, *moved),) = wait(browser, "return window.shift.length && window.shift")
    assert value > 0 and moved == ['<p style="width:500px">x</p>', "<p>y</p>"]


# A query, and the section that has to be among the first three.
QUERIES = {
    "padding": "Padding, stride, dilation",
    "dilaton": "Padding, stride, dilation",  # a typo
    "sliding_window_view": "Five ways",  # a name in the code
    "vanishing gradients": "Vanishing gradients",
    "softmax": "Softmax",
    "receptive field": "The receptive field",
    "grad-cam": "Grad-CAM",
    "t-sne": "Neighbours",
    "batch normalization": "Batch normalization",
    "stratified": "Stratified split",
    "1,572 GB": "What a dense layer costs",
    "test-time augmentation": "Flip test-time augmentation",
    "learning rate": "Downhill: the learning rate",
    "confidence interval": "95% interval",
    "spot instance": "Launch, reach, stop",
    "submission.csv": "A submission",
    "dropout": "Dropout",
    "temperature": "Temperature",
    "out of distribution": "Neither: out of distribution",
    "early stopping": "Early stopping",
    "max pooling": "Max pooling",
    "AlexNet": "AlexNet",
}
FOUND = (
    "return [...document.querySelectorAll('#found a')].map((link) => [link.textContent, link.href])"
)


def test_search_finds_the_section(browser, address, searchable):
    browser.get(f"{address}/search.html?q=padding")
    missed = {}
    for query, section in QUERIES.items():
        field = browser.find_element(By.CSS_SELECTOR, "#search-form input")
        browser.execute_script("arguments[0].value = ''", field)
        field.send_keys(query)
        wait(browser, "return document.body.dataset.searched === arguments[0]", query)
        found = browser.execute_script(FOUND)
        if section not in [title for title, _ in found[:3]]:
            missed[query] = found[:3]
    assert not missed
    # its address leads to the heading
    browser.get(next(link for title, link in found if title == "AlexNet"))
    heading = browser.execute_script("return document.querySelector(':target').textContent")
    assert heading.startswith("AlexNet")


def test_sidebar_leads_to_the_search(browser, address, searchable):
    browser.get(f"{address}/{CHAPTER}")
    browser.find_element(By.CSS_SELECTOR, ".sidebar-search").send_keys("dropout" + Keys.ENTER)
    wait(browser, "return document.body?.dataset.searched === 'dropout'")
    assert browser.execute_script(FOUND)


def brightness(browser, script="document.body"):
    script = f"return getComputedStyle({script}).backgroundColor"
    return sum(map(int, re.findall(r"\d+", browser.execute_script(script))[:3]))


def test_theme_follows_the_system_and_a_choice_is_remembered(browser, address):
    media(browser, scheme="dark")
    browser.get(f"{address}/{CHAPTER}")
    assert brightness(browser) < 150
    media(browser, scheme="light")
    assert brightness(browser) > 600
    toggle = browser.find_element(By.CSS_SELECTOR, ".theme-toggle-content button")
    for _ in range(3):
        toggle.click()
        if browser.execute_script("return document.body.dataset.theme") == "dark":
            break
    browser.get(f"{address}/notebooks/GLOSSARY.html")
    assert brightness(browser) < 150
    media(browser, "print")
    assert brightness(browser) > 600  # paper stays white


AXE_RUN = """const done = arguments[1];
axe.run({resultTypes: ["violations"], ...arguments[0]}).then(
  ({violations}) => done(violations.map(({id, nodes}) => [id, nodes[0].html.slice(0, 200)])),
  (error) => done(String(error)));"""
COLOURS = {"runOnly": ["color-contrast"]}  # all that differs in the dark


def test_pages_can_be_used_with_a_screen_reader_and_seen_in_the_dark(browser, address):
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in scripts/site")
    for page in [*KINDS, "search.html?q=padding"]:
        media(browser, scheme="light")
        browser.get(f"{address}/{page}")
        browser.execute_script(AXE.read_text("utf-8"))
        assert browser.execute_async_script(AXE_RUN, {}) == [], page
        media(browser, scheme="dark")
        assert brightness(browser) < 150
        assert browser.execute_async_script(AXE_RUN, COLOURS) == [], page
    # it would have said so
    browser.execute_script(
        "document.body.append(document.createElement('img'));"
        "document.querySelector('article').style.color = '#222'"
    )
    found = browser.execute_async_script(AXE_RUN, {})
    assert {"image-alt", "color-contrast"} <= {name for name, _ in found}


SOLUTION = "return document.querySelector('details pre').checkVisibility()"


def test_solution_opens_by_keyboard_and_on_paper(browser, address):
    browser.get(f"{address}/{CHAPTER}")
    assert not browser.execute_script(SOLUTION)
    summary = browser.find_element(By.CSS_SELECTOR, "details > summary")
    summary.send_keys(Keys.ENTER)
    assert browser.execute_script(SOLUTION)
    summary.send_keys(Keys.ENTER)
    assert not browser.execute_script(SOLUTION)
    media(browser, "print")
    assert browser.execute_script(SOLUTION)


def test_on_paper_lines_are_whole_and_nothing_lies_over_the_text(browser, address):
    for page in KINDS:
        browser.get(f"{address}/{page}")
        resize(browser, 680)
        media(browser, "print")
        cut = "return [...document.querySelectorAll('article pre')].filter("
        assert not browser.execute_script(
            cut + "(pre) => pre.scrollWidth > pre.clientWidth + 1).length"
        )
        over = (
            "return [...document.querySelectorAll('body *')].filter((one) => one.getClientRects()"
            ".length && ['fixed', 'sticky'].includes(getComputedStyle(one).position))"
            ".map((one) => one.className)"
        )
        assert not browser.execute_script(over)
        media(browser)
        # the last would find something on the screen
        assert browser.execute_script(over)


def test_the_list_of_pages_shows_where_this_one_stands(browser, address):
    browser.set_window_size(1280, 800)
    for page in ("notebooks/01_cats_and_dogs.html", "notebooks/19_more_than_one_machine.html"):
        browser.get(f"{address}/{page}")
        here = "document.querySelector('.sidebar-scroll .current-page').getBoundingClientRect()"
        seen = f"const {{ top, bottom }} = {here}; return top > 0 && bottom < innerHeight"
        assert wait(browser, seen)


@pytest.mark.parametrize("way", ["pointer", "keyboard"])
def test_figure_is_enlarged_and_esc_gives_the_focus_back(browser, address, way):
    browser.get(f"{address}/{CHAPTER}")
    resize(browser, 360)
    link = browser.find_elements(By.CSS_SELECTOR, "a.enlarge")[1]
    before = browser.execute_script("return arguments[0].firstChild.clientWidth", link)
    show(browser, link)
    link.click() if way == "pointer" else link.send_keys(Keys.ENTER)
    large = wait(browser, "return document.querySelector('dialog[open] img')")
    wide = "return arguments[0].getBoundingClientRect().width"
    assert browser.execute_script(wide, large) > 2 * before  # on a phone at once, to be moved about
    large.click()  # once more: the whole of it
    assert 2 * before > browser.execute_script(wide, large) >= before
    large.click()
    pinch = "return getComputedStyle(document.querySelector('dialog > div')).touchAction"
    assert browser.execute_script(pinch) == "manipulation"  # to move and to pinch
    moved = "return document.querySelector('dialog > div').scrollLeft"
    before = browser.execute_script(moved)
    browser.execute_script("document.querySelector('dialog > div').focus()")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT * 3)  # and turns no page
    wait(browser, f"{moved} > {before}")
    assert browser.current_url.startswith(f"{address}/{CHAPTER}")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(browser, "return !document.querySelector('dialog')")
    assert browser.execute_script("return document.activeElement === arguments[0]", link)


PICTURES = "return [...document.querySelectorAll('article img')].map((one) => one.naturalWidth)"


def test_offline_copy_is_read_from_its_files(browser, html):
    browser.get((html / CHAPTER).as_uri())
    for picture in browser.find_elements(By.CSS_SELECTOR, "article img"):
        browser.execute_script("arguments[0].loading = 'eager'", picture)
    wait(browser, f"{PICTURES}.every(Boolean)")
    fonts = "return document.fonts.ready.then(() => document.fonts.check('12px KaTeX_Main'))"
    assert browser.execute_script(fonts)
    following = browser.find_element(By.CSS_SELECTOR, "a.next-page")
    show(browser, following)
    following.click()
    wait(browser, "return document.title.startsWith('5.')")
    browser.get((html / "search.html").as_uri() + "?q=dilation")
    wait(browser, "return document.querySelectorAll('#search-results li a').length > 1")
    browser.find_element(By.CSS_SELECTOR, "#search-results li a").click()
    wait(
        browser, "return document.querySelector('article h1') && !location.href.includes('search')"
    )
    assert not [e["message"] for e in browser.get_log("browser")]


@contextmanager
def without_scripts(browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_scripts_text_figures_formulas_and_solutions_are_there(browser, address):
    with without_scripts(browser):
        browser.get(f"{address}/{CHAPTER}")
        browser.find_element(By.CSS_SELECTOR, "details > summary").send_keys(Keys.ENTER)
        seen = browser.execute_script(PICTURES)
        assert len(seen) > 15 and all(seen)
        assert browser.execute_script(SOLUTION)
        assert browser.find_element(By.CSS_SELECTOR, ".formula .katex").is_displayed()
        assert browser.execute_script("return !document.body.dataset.theme")  # no script has run
        browser.find_element(By.CSS_SELECTOR, "a.enlarge").send_keys(Keys.ENTER)
        assert browser.current_url.endswith((".webp", ".jpg"))


def test_live_figure_is_loaded_when_it_comes_near(browser, html, address):
    folder = html / "_static" / "live"
    folder.mkdir(exist_ok=True)
    module, page = folder / "test-figure.js", html / "test-live.html"
    module.write_text("export const mount = (root, { n }) => (root.textContent = `n is ${n}`);")
    box = '<div data-live="test-figure" data-options=\'{"n": 3}\'><img alt="static"></div>'
    page.write_text(
        f'<html lang="en">{box}<p style="height:5000px"></p>{box}'
        '<script src="_static/site.js"></script>'
    )
    try:
        browser.get(f"{address}/{page.name}")
        texts = "[...document.querySelectorAll('[data-live]')].map((one) => one.textContent)"
        wait(browser, f"return {texts}[0] === 'n is 3'")
        assert browser.execute_script(f"return {texts}") == ["n is 3", ""]
        browser.execute_script("scrollTo(0, 6000)")
        wait(browser, f"return {texts}[1] === 'n is 3'")
    finally:
        module.unlink(), page.unlink()


def test_script_of_a_live_figure_is_left_out():
    import live_figures
    from docutils import nodes
    from docutils.utils import new_document

    box = '<div data-live="x"><img src="a"></div>'
    document = new_document("x")
    document += nodes.raw("", f'{box}<script type="module">\nlet a;\n</script>', format="html")
    document += nodes.raw("", "<script>other</script>", format="html")
    live_figures.drop_scripts(None, document)
    assert [raw.astext() for raw in document] == [box, "<script>other</script>"]


def test_chapter_is_printed_as_a_tagged_file(html, tmp_path):
    import printing

    printing.write(html, tmp_path, only="18_")
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert file.name == "18_a_gpu_machine.pdf"
    assert b"/StructTreeRoot" in content and b"/Outlines" in content and b"/Lang" in content
    # a link to another chapter is no address of this machine
    assert b"(file://" not in content
