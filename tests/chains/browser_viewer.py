"""Plays a stream in Chromium, without a window, and writes down when each frame's bar code was read there.

browser_viewer.py http://127.0.0.1:8080/playlist.m3u8 --log FILE
browser_viewer.py http://127.0.0.1:8889/live/whip --log FILE

A playlist is played by hls.js, of the page viewer.html that lies beside it. At any other address this is a WHIP server,
whose streams the same page plays over WebRTC. FILE is as viewer.py writes it; beside it, in FILE.json, is what the
browser says about the video, and in FILE.png what it shows after a few seconds. It plays until it is killed or the
stream ends.
"""

import argparse
import json
import queue
import signal
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import barcode
import whip
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PAGE = Path(__file__).parent / "page"
TURN_S = 0.2
# Frames until the picture of the page is taken.
PICTURE_AT = 100
ANSWERING_S = 20


class Browser:
    """Chromium with the page, and the log."""

    def __init__(self, page: str, log: Path) -> None:
        options = webdriver.ChromeOptions()
        # Root, as in containers, has no sandbox. WebRTC leaves loopback out otherwise, and hides addresses.
        for argument in (
            *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=820,860"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"),
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.get(page)
        self.driver.execute_script("start(arguments[0])", barcode.now() - time.time() * 1000)
        self.log = log
        self.seen = 0

    def turn(self) -> bool:
        """Write down what was seen since the last turn; return whether the stream goes on."""
        result = self.driver.execute_script("return take()")
        with self.log.open("a") as lines:
            for stamp, came, width in result["frames"]:
                lines.write("unreadable\n" if stamp is None else f"{stamp} {came} {width}\n")
        before, self.seen = self.seen, self.seen + len(result["frames"])
        if before < PICTURE_AT <= self.seen:
            # Between two frames the picture would hold some of both.
            self.driver.execute_script("video.pause()")
            self.driver.save_screenshot(f"{self.log}.png")
            self.driver.execute_script("video.play()")
        figures = self.driver.execute_async_script("figures().then(arguments[0])")
        # Renamed when whole: the viewer may be killed at any time.
        unfinished = Path(f"{self.log}.json.new")
        unfinished.write_text(json.dumps(figures))
        unfinished.replace(f"{self.log}.json")
        for message in self.driver.get_log("browser"):
            print(message["message"], file=sys.stderr, flush=True)
        return not result["ended"]


class Offers(SimpleHTTPRequestHandler):
    """Gives out the page, and has offers answered by it."""

    waiting: queue.SimpleQueue = queue.SimpleQueue()

    def do_POST(self) -> None:
        offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answered: queue.SimpleQueue = queue.SimpleQueue()
        self.waiting.put((offer, answered))
        answer = answered.get(timeout=ANSWERING_S).encode()
        whip.send_answer(self, answer)


def answer_offers(browser: Browser) -> None:
    """Have the page answer what has come; the browser takes commands of one thread."""
    while not Offers.waiting.empty():
        offer, answered = Offers.waiting.get()
        answered.put(browser.driver.execute_async_script("answer(arguments[0]).then(arguments[1])", offer))


def main() -> None:
    """Play until the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    # Chromium is to end with this program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    folder, _, name = options.address.rpartition("/")
    is_playlist = name.endswith(".m3u8")
    if not is_playlist:
        host, _, port = options.address.removeprefix("http://").partition("/")[0].partition(":")
        if host != "127.0.0.1":
            sys.exit(f"browser_viewer: {options.address}: this server listens on 127.0.0.1 alone")
        server = ThreadingHTTPServer((host, int(port)), partial(Offers, directory=str(PAGE)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = f"http://{host}:{port}"
    browser = Browser(f"{folder}/viewer.html", options.log)
    try:
        if is_playlist:
            browser.driver.execute_script("play(arguments[0])", name)
        while browser.turn():
            answer_offers(browser)
            time.sleep(TURN_S)
    finally:
        browser.driver.quit()


if __name__ == "__main__":
    main()
