"""Live chains on loopback, with the element and without it: a row of a table for each case.

measure.py PROGRAMS [rtsp|srt|hls|webrtc|hls-browser|webrtc-browser ...] [--seconds N] [--without-comparison]
    [--tolerated SHARE] [--hls-js FILE] [--pictures FOLDER]

PROGRAMS is the folder of the examples. In each case the camera is killed and comes back a second later, over SRT the
viewer too. It ends with 1 if a chain is broken: it failed, no frame arrived before or after an interruption, more than
the tolerated share of frames were lost apart from that, or the element's counts do not add up.
"""

import argparse
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import barcode
from figures import Figures, figures
from processes import ENDING_S, HERE, Processes, counts_of, free_port
from segments import Segments

# From the start of a server to the first client.
STARTING_S = 1
LISTENING_S = 20
# What each chain takes beside the stream: a connection over SRT is lost when nothing has come for seconds, and players
# of HLS wait for segments.
BESIDE_S = {"rtsp": 2, "srt": 10, "hls": 6, "webrtc": 2, "hls-browser": 16, "webrtc-browser": 6}
# Without a name; WebRTC needs more packages.
USUAL = ("rtsp", "srt", "hls")
# When the camera is killed, and over SRT the viewer, in shares of the case.
CAMERA_LOST = 0.4
VIEWER_LOST = 0.8
SCALE = 4


@dataclass(frozen=True)
class Load:
    """A source; after its interruption it may come back in another size."""

    name: str
    size: str
    other_size: str


LOADS = [Load("light", "160x90", "192x108"), Load("heavy", "640x360", "480x270")]


@dataclass(frozen=True)
class Chain:
    """Where the parts of a chain meet."""

    name: str
    camera: str
    output: str
    viewer: str


def protocol(name: str) -> str:
    """Return how a chain gives its stream to viewers; some are there with another viewer too."""
    return name.removesuffix("-browser")


def make_chain(name: str, folder: Path) -> Chain:
    """Return a chain's addresses, at free ports of loopback."""
    name = protocol(name)
    if name == "srt":
        camera, output = (f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}" for _ in range(2))
        return Chain(name, camera, f"{output}?mode=listener", output)
    camera = f"rtsp://127.0.0.1:{free_port()}/camera"
    if name == "rtsp":
        output = f"rtsp://127.0.0.1:{free_port()}/restored"
        return Chain(name, camera, output, f"{output}/play")
    if name == "webrtc":
        output = f"http://127.0.0.1:{free_port()}/live/whip"
        return Chain(name, camera, output, output)
    return Chain(name, camera, str(folder / "hls"), f"http://127.0.0.1:{free_port()}/playlist.m3u8")


class Case:
    """A chain with one source, once."""

    def __init__(self, name: str, load: Load, options: argparse.Namespace, with_element: bool) -> None:
        self.name = protocol(name)
        self.in_browser = name != self.name
        self.load = load
        self.program = options.programs.resolve() / f"live_{self.name}"
        self.hls_js = options.hls_js
        self.seconds = options.seconds + BESIDE_S[name]
        self.tolerated = options.tolerated
        self.with_element = with_element
        self.viewer: subprocess.Popen | None = None

    def run(self, folder: Path) -> tuple[Figures | None, dict, str]:
        """Return the figures, the element's counts, and what is broken."""
        self.chain = make_chain(self.name, folder)
        self.segments = Segments(folder / "hls" / "playlist.m3u8", folder / "segments") if self.name == "hls" else None
        self.camera_log, self.viewer_log = folder / "camera.log", folder / "viewer.log"
        with Processes(folder) as processes:
            camera = self.camera(processes, self.load.size)
            self.server(processes)
            time.sleep(STARTING_S)
            program = processes.start(str(self.program), *self.options())
            events = self.watch(processes, camera, program)
            counts, failure = counts_of(program, self.seconds)
            self.drain()
        result = figures(self.camera_log, self.viewer_log, events, connects_late=self.name == "webrtc")
        return result, counts, f"the program failed: {failure}" if failure else self.faults(result, counts)

    def camera(self, processes: Processes, size: str) -> subprocess.Popen:
        return processes.python("camera.py", self.chain.camera, "--size", size, "--log", str(self.camera_log))

    def server(self, processes: Processes) -> None:
        """Start what the output is given to, where that has to be there first."""
        port = int(self.chain.viewer.split(":")[2].split("/")[0].split("?")[0])
        if self.name == "rtsp":
            processes.python("relay.py", self.chain.output)
        elif self.name == "webrtc":
            script = "browser_viewer.py" if self.in_browser else "whip_viewer.py"
            processes.python(script, self.chain.output, "--log", str(self.viewer_log))
            wait_for(port)
        elif self.name == "hls":
            Path(self.chain.output).mkdir()
            if self.in_browser:
                for file in (*(HERE / "page").iterdir(), self.hls_js):
                    shutil.copy(file, self.chain.output)
            processes.start(
                sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", self.chain.output, str(port)
            )

    def options(self) -> list[str]:
        words = ["--input", self.chain.camera, "--output", self.chain.output, "--seconds", str(self.seconds)]
        if not self.with_element:
            width, height = (SCALE * int(side) for side in self.load.size.split("x"))
            words += ["--plain", f"{width}x{height}"]
        return words

    def watch(self, processes: Processes, camera: subprocess.Popen, program: subprocess.Popen) -> list[int]:
        """Keep a viewer there, and interrupt the stream; return when it was interrupted."""
        started = time.monotonic()
        events = []
        while (passed := (time.monotonic() - started) / self.seconds) < 1 and program.poll() is None:
            if self.is_viewer_wanted() and (self.viewer is None or self.viewer.poll() is not None):
                script = "browser_viewer.py" if self.in_browser else "viewer.py"
                self.viewer = processes.python(script, self.chain.viewer, "--log", str(self.viewer_log))
            if self.segments:
                self.segments.keep()
            if not events and passed > CAMERA_LOST:
                events.append(interrupt(processes, camera))
                time.sleep(1)
                # Another size makes another segment, for which HLS is the place.
                self.camera(processes, self.load.other_size if self.name == "hls" else self.load.size)
            if self.name == "srt" and len(events) == 1 and passed > VIEWER_LOST and self.viewer is not None:
                events.append(interrupt(processes, self.viewer))
            time.sleep(0.5)
        return events

    def is_viewer_wanted(self) -> bool:
        if self.name == "webrtc":
            return False
        return self.name != "hls" or (Path(self.chain.output) / "playlist.m3u8").exists()

    def drain(self) -> None:
        """Let a viewer of segments, which is behind, come to the end."""
        if self.name == "hls" and self.viewer is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.viewer.wait(ENDING_S)

    def browser_figures(self) -> dict:
        """Return what the browser has said last about its video."""
        said = Path(f"{self.viewer_log}.json")
        return json.loads(said.read_text()) if said.exists() else {}

    def decoded(self) -> int:
        """Return how many frames the browser has decoded; on a machine that is busy it does not show all of them."""
        return self.browser_figures().get("decoded", 0)

    def faults(self, result: Figures | None, counts: dict) -> str:
        """Say what is broken; nothing where nothing is."""
        if result is None:
            return "no frames arrived, or none after the interruption"
        arrived = self.decoded() if self.in_browser else result.received
        lost = max(0, result.sent - arrived)
        if lost > self.tolerated * result.sent or result.unreadable > self.tolerated * result.received:
            return f"{lost} of {result.sent} frames lost, {result.unreadable} unreadable"
        if self.with_element and counts["frames-in"] != counts["restored"] + counts["bypassed"]:
            return f"the element's counts do not add up: {counts}"
        if self.name == "hls" and self.with_element and len(result.widths) != 2:
            return f"of the two sizes the viewer saw {result.widths}"
        return self.segments.fault() if self.segments and self.with_element else ""


def wait_for(port: int) -> None:
    """Wait until somebody listens at a port of loopback."""
    deadline = time.monotonic() + LISTENING_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)


def interrupt(processes: Processes, process: subprocess.Popen) -> int:
    """Kill a process; return when."""
    processes.kill(process)
    return barcode.now()


def row(chain: str, load: Load, result: Figures | None, counts: dict, plain: Figures | None) -> str:
    """Return a line of the table."""
    if result is None:
        return f"| {chain} | {load.size} ({load.name}) | no frames |"
    cells = [
        chain,
        f"{load.size} ({load.name})",
        result.sent,
        result.received,
        # A player of segments is as far behind as its segments make it.
        "" if protocol(chain) == "hls" else result.late,
        counts.get("restored", ""),
        counts.get("bypassed", ""),
        f"{result.median:.0f}, {result.p99:.0f}",
        f"{plain.median:.0f}, {plain.p99:.0f}" if plain else "",
        ", ".join(f"{outage / 1000:.1f}" for outage in result.outages),
    ]
    return f"| {' | '.join(map(str, cells))} |"


COLUMNS = (
    "chain",
    "source",
    "sent",
    "received",
    "late",
    "restored",
    "bypassed",
    "latency, ms: median, p99",
    "without the element",
    "interrupted for, s",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|---{'|--:' * (len(COLUMNS) - 2)}|"


def measure(name: str, load: Load, options: argparse.Namespace) -> bool:
    """Print a row; return whether the chain is whole."""
    whole = True
    results = []
    for with_element in (True,) if options.without_comparison else (True, False):
        with tempfile.TemporaryDirectory() as folder:
            case = Case(name, load, options, with_element)
            result, counts, fault = case.run(Path(folder))
            results.append((result, counts))
            if fault:
                whole = False
                report(case, fault, Path(folder))
            if case.in_browser and with_element:
                print(f"{name}, {load.size}: {case.browser_figures()}", file=sys.stderr)
                keep_picture(f"{name}-{load.size}", case.viewer_log, options.pictures)
    plain = results[1][0] if len(results) > 1 else None
    print(row(name, load, *results[0], plain), flush=True)
    return whole


def keep_picture(name: str, log: Path, folder: Path | None) -> None:
    """Keep the picture of the browser's page."""
    picture = Path(f"{log}.png")
    if folder and picture.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / f"{name}.png")


def report(case: Case, fault: str, folder: Path) -> None:
    """Say what is broken, with the last messages of each process."""
    kind = "with" if case.with_element else "without"
    print(f"broken: {case.name}, {case.load.size}, {kind} the element: {fault}", file=sys.stderr)
    for messages in sorted(folder.glob("*.err")):
        for line in messages.read_text(errors="replace").splitlines()[-5:]:
            print(f"  {messages.stem}: {line}", file=sys.stderr)


def main() -> int:
    """Measure every case that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path)
    parser.add_argument(
        "chains", nargs="*", metavar="chain", help=f"{', '.join(BESIDE_S)}; {', '.join(USUAL)} where none is named"
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--without-comparison", action="store_true", help="only with the element")
    parser.add_argument(
        "--tolerated", type=float, default=0.05, help="share of frames that may be lost or unreadable; default 0.05"
    )
    parser.add_argument("--hls-js", type=Path, help="hls.min.js, for hls-browser")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the browser's page")
    options = parser.parse_intermixed_args()
    if unknown := set(options.chains) - set(BESIDE_S):
        parser.error(f"no chain {', '.join(sorted(unknown))}: there are {', '.join(BESIDE_S)}")
    if "hls-browser" in options.chains and not options.hls_js:
        parser.error("hls-browser needs --hls-js")
    print(HEAD, flush=True)
    results = [measure(name, load, options) for name in options.chains or USUAL for load in LOADS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
