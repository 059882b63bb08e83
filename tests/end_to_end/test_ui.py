"""Prefect's own UI in a browser: a run is started from its form, a decision answered, and the artifacts looked at.

With ``LOOPWRIGHT_SCREENSHOTS=docs/pictures`` it takes the pictures of docs/people.md.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from flows.up.service import name_of, url_of
from tests.conftest import Cli
from tests.end_to_end.test_people import asking, recorded

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)

Browser = webdriver.Chrome


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(flag)
    with Browser(options=options, service=Service(str(DRIVER))) as opened:
        yield opened


@pytest.fixture
def project(embedded: Cli, make_project: Callable[[str], Path]) -> Iterator[Path]:
    """A project that is up, and will ask for a decision."""
    made = asking(make_project)
    embedded(made, "up", "--port", "0")
    yield made
    embedded(made, "down")


def until(browser: Browser, found: Callable[[Browser], Any], seconds: float = 120) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.2).until(found)


def button(browser: Browser, text: str, inside: str = "") -> WebElement:
    path = f"{inside}//button[normalize-space(.)='{text}']"
    found = until(browser, lambda at: [one for one in at.find_elements(By.XPATH, path) if one.is_displayed()])
    return cast(WebElement, found[0])


def field(browser: Browser, label: str, tag: str) -> WebElement:
    """Return the input under a label of one of Prefect's forms."""
    labelled = "ancestor::div[contains(concat(' ', @class, ' '), ' p-label ')][1]"
    path = f"//span[starts-with(normalize-space(.), '{label}')]/{labelled}//{tag}"
    return cast(WebElement, until(browser, lambda at: at.find_elements(By.XPATH, path))[0])


def shows(browser: Browser, text: str, seconds: float = 120) -> None:
    until(browser, lambda at: text in at.find_element(By.TAG_NAME, "body").text, seconds)


def shot(browser: Browser, name: str) -> None:
    folder = os.environ.get("LOOPWRIGHT_SCREENSHOTS")
    if folder:
        time.sleep(1)  # what moves comes to rest
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver")
def test_a_run_is_started_a_decision_answered_and_the_artifacts_seen(
    browser: Browser, project: Path, embedded: Cli
) -> None:
    ui = str(url_of(project)).removesuffix("/api")
    browser.get(f"{ui}/deployments")
    back = until(browser, lambda at: at.find_elements(By.LINK_TEXT, f"{name_of(project)}-back"))[0]
    browser.get(f"{back.get_attribute('href')}/run")
    choice = Select(field(browser, "stage", "select"))
    assert [one.text for one in choice.options] == ["planning", "data", "training", "deployment"]
    choice.select_by_visible_text("data")
    field(browser, "reason", "textarea").send_keys("sensor 3 was replaced")
    shot(browser, "form-back")
    browser.get(f"{ui}/deployments")
    run = until(browser, lambda at: at.find_elements(By.LINK_TEXT, f"{name_of(project)}-run"))[0]
    browser.get(f"{run.get_attribute('href')}/run")
    button(browser, "Submit").click()
    browser.get(f"{ui}/runs")
    link = until(browser, lambda at: at.find_elements(By.XPATH, "//a[contains(@href, '/runs/flow-run/')]"))[0]
    browser.get(str(link.get_attribute("href")))
    shows(browser, "Suspended", 240)
    shot(browser, "suspended")
    button(browser, "Resume").click()
    Select(field(browser, "Answer", "select")).select_by_index(0)
    field(browser, "Why", "textarea").send_keys("the labels are worth it")
    field(browser, "Your name", "textarea").send_keys("Ann")
    shot(browser, "form-decision")
    asked = recorded(project)
    button(browser, "Submit", "//div[@role='dialog']").click()
    until(browser, lambda at: recorded(project) > asked, 240)
    answer = embedded.history(project)[asked]
    (said,) = answer["signals"]
    assert (said["evidence"]["by"], said["evidence"]["via"]) == ("Ann", "Prefect")
    assert said["evidence"]["because"] == "the labels are worth it"
    assert answer["move"]["to"] == "planning"
    refused = embedded(project, "reject", "--because", "no", check=False)
    assert refused.returncode == 2
    assert "Ann approved it" in refused.stderr
    if os.environ.get("LOOPWRIGHT_SCREENSHOTS"):
        until(browser, lambda at: embedded.history(project)[-1]["move"]["to"] == "released", 400)
    for name, says in (("iterations", "labels_too_dear"), ("loop-map", "The loop and the path taken")):
        browser.get(f"{ui}/artifacts/key/{project.name}-{name}")
        link = until(browser, lambda at: at.find_elements(By.XPATH, "//a[contains(@href, '/artifacts/artifact/')]"))[0]
        browser.get(str(link.get_attribute("href")))
        shows(browser, says)
        shot(browser, f"artifact-{name}")
