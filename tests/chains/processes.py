"""The processes of a case: started, killed and ended by their ids."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

HERE = Path(__file__).parent
# How long a process may take to end by itself.
ENDING_S = 20


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Processes(AbstractContextManager):
    """What was started here; it is ended with the case, however that ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen] = []

    def start(self, *words: str) -> subprocess.Popen:
        """Start a program. Its messages go to a file named after it."""
        is_script = words[0] == sys.executable and words[1].endswith(".py")
        name = Path(words[1] if is_script else words[0]).stem
        with (self.folder / f"{name}.err").open("ab") as messages:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=messages)
        self.running.append(process)
        return process

    def python(self, script: str, *words: str) -> subprocess.Popen:
        """Start a script of this folder."""
        return self.start(sys.executable, str(HERE / script), *words)

    def kill(self, process: subprocess.Popen) -> None:
        """Kill a process as a loss of power would."""
        process.kill()
        process.wait()

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                self.kill(process)
            if process.stdout:
                process.stdout.close()


def counts_of(process: subprocess.Popen, seconds: float) -> tuple[dict, str]:
    """Wait for a chain to end, and return what it has counted; nothing, and how it ended, if it failed."""
    try:
        output, _ = process.communicate(timeout=seconds + ENDING_S)
    except subprocess.TimeoutExpired:
        return {}, f"it did not end within {ENDING_S} s of its time"
    if process.returncode != 0 or not output:
        return {}, f"exit status {process.returncode}"
    return json.loads(output.splitlines()[-1]), ""
