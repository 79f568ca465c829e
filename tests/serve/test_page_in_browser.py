"""The page in Chromium, as people use it: with a mouse, a keyboard, a phone and a screen reader.

The tests need the Python package `playwright`, which is in the extra "dev", and a Chromium on the PATH, such as that of
`apt-get install chromium`. Without them they are skipped; with FUNCVISION_REQUIRE_CHROMIUM=1 that is an error.
"""

import asyncio
import os
import re
import shutil
import threading

import PIL.ExifTags
import PIL.Image
import pytest

from funcvision import serve

from .page_server import ANIMALS, KEY, LIMIT, make_registry, serving
from .serving import image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAIT = 60_000
"""Milliseconds after which something that the page should show is missing."""

FILE_WIDTH = 60
FILE = {"name": "red.png", "mimeType": "image/png", "buffer": image("#ff0000", size=(FILE_WIDTH, 40))}
FILE_OF_TEXT = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"}
FILE_TOO_LARGE = {"name": "large.png", "mimeType": "image/png", "buffer": b"0" * (LIMIT + 1)}

DROP = """({type, bytes}) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "red.png", {type}));
  for (const name of ["dragenter", "dragover", "drop"]) {
    document.querySelector("#drop").dispatchEvent(
      new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}"""
COPY = """async ({type, bytes}) => {
  await navigator.clipboard.write([new ClipboardItem({[type]: new Blob([new Uint8Array(bytes)], {type})})]);
}"""
WIDTH = "async (image) => { await image.decode(); return image.naturalWidth; }"
INLINE_CODE = """() => new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
  const script = document.createElement("script");
  script.textContent = "document.title = 'run'";
  document.body.append(script);
})"""
NAME_IN_FOCUS = """() => {
  const element = document.activeElement;
  return (element.labels?.[0] ?? element).textContent;
}"""
LEAST_CONTRAST = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parts(color).map((v) => v <= 10 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parts(color)[3] === 0 ? ground(element.parentElement) : color;
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()) &&
    !element.closest("#marks"));
  const found = texts.map((element) => {
    const [dark, light] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
    return {ratio: (light + .05) / (dark + .05), text: element.textContent.trim()};
  });
  return {count: found.length, least: found.reduce((a, b) => a.ratio < b.ratio ? a : b)};
}"""


@pytest.fixture(scope="module")
def registry(model_file):
    return make_registry(model_file)


@pytest.fixture(scope="module")
def address(registry):
    with serving(registry) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or path is None:
        reason = "the page is NOT tested: it needs the Python package playwright and a Chromium on the PATH"
        (pytest.fail if os.environ.get("FUNCVISION_REQUIRE_CHROMIUM") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens pages, and afterwards sees that they broke no policy, raised no error and asked no other server."""
    contexts, complaints, hosts = [], [], set()

    def visit(address, model=None, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(WAIT)
        context.set_default_navigation_timeout(WAIT)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("filechooser", lambda _: None)  # Playwright catches dialogs from the first listener on, with a delay
        page.on("request", lambda request: hosts.add(request.url.removeprefix(address)))
        page.goto(f"{address}/")
        page.get_by_role("heading", level=1, name="tiny").wait_for()
        if model is not None:
            page.get_by_label("Model").select_option(model)
        return page

    yield visit
    for context in contexts:
        context.close()
    expected = re.compile(r"Failed to load resource: (the server responded with a status of \d+|net::ERR_)")
    assert not [text for text in complaints if not expected.match(text)]
    assert all(host.startswith(("/", "blob:", "data:image/")) for host in hosts)


def give(page, file=FILE):
    page.locator("#pick-file").set_input_files(file)


def rows(page):
    """Labels and percentages that the page shows."""
    page.get_by_text(re.compile("^Answered in")).wait_for()
    return [
        (row.locator(".label").inner_text(), row.locator(".value").inner_text())
        for row in page.get_by_role("listitem").all()
    ]


def assert_red(page):
    shown = rows(page)
    assert shown[0][0] == "red"
    assert {label for label, _ in shown} == {"red", "green", "blue", "grey"}
    percentages = [float(value.removesuffix("%").removeprefix("under ")) for _, value in shown]
    assert sum(percentages) == pytest.approx(100, abs=0.3)
    assert page.get_by_role("status").inner_text() == f"Most likely red, {shown[0][1]}."
    track = page.locator(".track").first.bounding_box()["width"]
    bar = page.locator(".fill").first
    bar.evaluate("bar => Promise.all(bar.getAnimations().map((animation) => animation.finished))")
    assert 100 * bar.bounding_box()["width"] / track == pytest.approx(percentages[0], abs=0.5)
    assert page.get_by_role("img", name="The image to look at").evaluate(WIDTH) == FILE_WIDTH


# Ways to give an image


def test_drop(visit, address):
    page = visit(address)
    page.evaluate(DROP, {"type": "image/png", "bytes": list(FILE["buffer"])})
    assert_red(page)


def test_paste(visit, address):
    page = visit(address, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(COPY, {"type": "image/png", "bytes": list(FILE["buffer"])})
    page.keyboard.press("Control+V")
    assert_red(page)


def test_keyboard_only(visit, address):
    page = visit(address)
    order = []
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.evaluate(NAME_IN_FOCUS).strip())
    assert order == ["Model", "Choose an image", "Ask from a program"]
    page.get_by_role("button", name="Choose an image").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(FILE)
    assert_red(page)


def test_camera_of_a_phone(visit, address):
    page = visit(address, is_mobile=True, has_touch=True, viewport={"width": 400, "height": 800})
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(FILE)
    assert_red(page)


# Answers


def test_other_classes_and_names_with_markup(visit, address):
    page = visit(address, "animals")
    give(page)
    shown = rows(page)
    assert shown[:2] == [("dog", "60.0%"), (ANIMALS[2], "20.0%")]
    assert shown[-1] == ("2 other classes", "3.0%")
    assert sum(float(value.removesuffix("%")) for _, value in shown) == pytest.approx(100)
    assert page.locator("#list b").count() == 0


def test_boxes_and_masks(visit, address):
    """On a photo that a phone has stored lying on its side, which browser and server turn."""
    orientation = PIL.Image.Exif()
    orientation[PIL.ExifTags.Base.Orientation] = 6
    photo = image("#ff0000", (40, FILE_WIDTH), "JPEG", exif=orientation)
    page = visit(address, "finder")
    give(page, {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo})
    assert rows(page) == [("dog", "90.0%"), ("cat", "80.0%")]
    assert page.get_by_role("status").inner_text() == "Found 2 objects: dog, cat."
    assert page.locator("#image").evaluate(WIDTH) == FILE_WIDTH
    frame = page.locator("#image").bounding_box()
    cat = page.locator(".box").nth(1).bounding_box()
    half_width, half_height = frame["width"] / 2, frame["height"] / 2
    assert cat == pytest.approx(
        {"x": frame["x"] + half_width, "y": frame["y"] + half_height, "width": half_width, "height": half_height}, abs=1
    )
    for mask in page.locator(".box img").all():
        assert mask.evaluate(WIDTH) == FILE_WIDTH / 2
    assert page.locator(".box span").all_inner_texts() == ["dog 90%", "cat 80%"]

    slider = page.get_by_role("slider", name="Lowest score")
    slider.focus()
    assert slider.get_attribute("aria-valuetext") == "50%"
    slider.press("Home")
    assert rows(page)[2] == ("dog", "30.0%")
    assert page.get_by_role("status").inner_text() == "Found 3 objects: dog (2), cat."
    entry = page.get_by_role("button", name="cat 80.0%", pressed=False)
    entry.focus()
    entry.press("Enter")
    assert page.get_by_role("button", name="cat 80.0%", pressed=True).count() == 1
    assert page.locator(".box.chosen span").all_inner_texts() == ["cat 80%"]
    page.get_by_label("Draw on the image").uncheck()
    assert not page.locator(".box").first.is_visible()


def test_classes_of_pixels_and_another_model(visit, address):
    page = visit(address, "fields")
    give(page)
    assert dict(rows(page)) == {"background": "37.5%", "grass": "37.5%", "sky": "25.0%"}
    overlay = page.locator("#marks > img")
    assert overlay.evaluate(WIDTH) == FILE_WIDTH
    assert overlay.bounding_box() == pytest.approx(page.locator("#image").bounding_box(), abs=1)

    page.get_by_label("Model").select_option("animals")
    page.get_by_text("Most likely dog, 60.0%.").wait_for()
    assert overlay.count() == 0
    assert page.get_by_role("heading", level=1).inner_text() == "animals"
    assert page.title() == "animals · funcvision"


# Errors


def test_a_file_that_is_no_image_and_one_that_is_too_large(visit, address):
    page = visit(address)
    alert = page.get_by_role("alert")
    give(page, FILE_OF_TEXT)
    page.get_by_text("This file is not an image that the server reads.").wait_for()
    assert not page.get_by_role("button", name="Try again").is_visible()
    give(page, FILE_TOO_LARGE)
    assert alert.inner_text() == "The file is too large: it has 200 kB, and this server accepts 200 kB."
    give(page)
    assert_red(page)
    assert alert.inner_text() == ""


def test_busy_and_again(visit, address, registry, monkeypatch):
    async def busy(data, **_):
        raise serve.ServeError(503, "the queue is full", retry_after=2)

    page = visit(address)
    with monkeypatch.context() as patched:
        patched.setattr(registry.get("tiny"), "predict", busy)
        give(page)
        page.get_by_text("The server is busy. Try again in 2 seconds.").wait_for()
    page.get_by_role("button", name="Try again").click()
    assert_red(page)


def test_another_choice_cancels_the_request_under_way(visit, address, registry, monkeypatch):
    begun, cancelled = threading.Event(), threading.Event()

    async def slow(data, **_):
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    page = visit(address)
    monkeypatch.setattr(registry.get("tiny"), "predict", slow)
    give(page)
    page.get_by_text("Waiting for the answer.").wait_for()
    assert begun.wait(30)
    page.get_by_label("Model").select_option("animals")
    page.get_by_text("Most likely dog, 60.0%.").wait_for()
    assert cancelled.wait(30)
    assert page.get_by_role("alert").inner_text() == ""


def test_a_server_that_is_gone(visit, address):
    page = visit(address)
    page.context.set_offline(True)
    give(page)
    page.get_by_text("The server does not answer.").wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    assert_red(page)


def test_keys_are_asked_for_and_not_kept(visit, registry):
    with serving(registry, keys=[KEY]) as address:
        page = visit(address)
        give(page)
        field = page.get_by_label("API key")
        field.wait_for()
        assert field.evaluate("field => field === document.activeElement")
        field.fill("a k\u0435y with a Cyrillic letter")  # which no header can hold
        field.press("Enter")
        assert not field.evaluate("field => field.checkValidity()")
        assert page.evaluate("Object.values(sessionStorage)") == []
        field.fill("not the key")
        field.press("Enter")
        page.get_by_text("The server does not know this key.").wait_for()
        field.fill(KEY)
        page.get_by_role("button", name="Use this key").click()
        assert_red(page)
        assert not field.is_visible()
        assert page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]") == [[KEY], 0, ""]
        assert KEY not in page.content()
        page.reload()
        give(page)
        assert_red(page)


# Everyone


def test_a_small_phone_needs_no_horizontal_scrolling(visit, address):
    page = visit(address, is_mobile=True, has_touch=True, viewport={"width": 320, "height": 640})
    page.get_by_text("Ask from a program").tap()
    give(page)
    for model, words in (("animals", "Most likely dog"), ("finder", "Found 2 objects")):
        page.get_by_label("Model").select_option(model)
        page.get_by_text(words).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.locator("#settings").evaluate("box => box.scrollWidth <= box.clientWidth")
        for button in page.get_by_role("button").all():
            assert button.bounding_box()["height"] >= 44


def test_a_screen_reader_finds_names_for_all(visit, address):
    page = visit(address, "finder")
    give(page)
    rows(page)
    tree = page.locator("body").aria_snapshot()
    for part in (
        "- banner:", '- combobox "Model"', "- main:", '- heading "finder" [level=1]', '- region "Image"',
        'img "The image to look at: red.png"', '- button "Choose another image"', '- region "Answer"',
        '- heading "Answer" [level=2]', '- status: "Found 2 objects: dog, cat."', "- alert",
        '- checkbox "Draw on the image" [checked]', '- slider "Lowest score"', '- list "Answer"',
        '- button "dog 90.0%"', "- contentinfo:",
    ):
        assert part in tree, tree
    assert not re.search(r"- (button|img|checkbox|slider|combobox|textbox|list|region)(:|$)", tree, re.MULTILINE), tree
    assert page.evaluate("document.documentElement.lang") == "en"


def test_contrast(visit, address):
    page = visit(address, "finder")
    for file, words in ((FILE, "Answered in"), (FILE_OF_TEXT, "This file is not an image that the server reads.")):
        give(page, file)
        page.get_by_text(words).wait_for()
        for scheme, ground in (("light", "rgb(244, 245, 248)"), ("dark", "rgb(16, 18, 23)")):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
            found = page.evaluate(LEAST_CONTRAST)
            assert found["count"] > 8
            assert found["least"]["ratio"] >= 4.5, (scheme, found)


def test_motion_is_optional(visit, address):
    page = visit(address)
    give(page)
    rows(page)
    for motion, seconds in (("reduce", "0s"), ("no-preference", "0.4s")):
        page.emulate_media(reduced_motion=motion)
        assert page.locator(".fill").first.evaluate("bar => getComputedStyle(bar).animationDuration") == seconds


def test_the_policy_stops_inline_code(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/")
    assert page.evaluate(INLINE_CODE) == "script-src-elem"
    assert page.title() != "run"
    page.close()
