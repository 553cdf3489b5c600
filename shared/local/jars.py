"""The jars of Apache Kafka: which ones, their hashes, and where to download them.

`kafka-jars.txt` pins every jar by coordinate and SHA-256. Resolving Maven's dependency graph at each first start took
36 s here and would accept a changed jar. The pinned list takes a few seconds, in parallel, and is verified at every
start (50 ms). `make lock` rewrites the list.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.local.failures import Failure, LocalStackError

KAFKA_VERSION = "4.3.1"
KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# resolved without their dependencies: the broker brings those, and the tools' Connect parts are not used here.
# If they were resolved together with the broker, log4j's own pins would downgrade kafka-clients to 3.9.1.
EXTRAS = (f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
PINS = Path(__file__).with_name("kafka-jars.txt")
DOWNLOADS_MAX = 8
ATTEMPTS_MAX = 3


@dataclass(frozen=True)
class Pin:
    """One jar: `coordinate` is group:artifact:version, `sha256` is hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def path(self) -> Path:
        """The path of the jar in a Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def class_path() -> str:
    """Return Java's class path for Kafka and its tools, after downloading missing or damaged jars.

    Raises `download-failed` when Maven's repository cannot be reached.
    """
    jars = cache_folder()
    pins = read_pins()
    damaged = [pin for pin in pins if not intact(jars, pin)]
    if damaged:
        _download(jars, damaged)
    return os.pathsep.join(str(jars / pin.path) for pin in pins)


def cache_folder() -> Path:
    """Return the user's folder for the jars. It is ours alone, so no other program's partial download is in it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perennial" / "jars"


def read_pins() -> list[Pin]:
    """Read the pinned list."""
    return [Pin(*line.split()) for line in PINS.read_text().splitlines()]


def intact(jars: Path, pin: Pin) -> bool:
    """Tell whether the jar is there with the pinned contents."""
    jar = jars / pin.path
    return jar.exists() and _sha256(jar) == pin.sha256


def resolve() -> list[str]:
    """Ask Maven which jars Kafka needs, and return their coordinates."""
    import jgo  # noqa: PLC0415  an extra, and slow to import: needed only for the first start

    needed = (f"{each.groupId}:{each.artifactId}:{each.version}" for each in jgo.resolve(KAFKA))
    return sorted({*needed, *EXTRAS})


def write_pins() -> None:
    """Resolve the jars again and pin what is downloaded now."""
    jars = cache_folder()
    PINS.write_text("".join(f"{each} {_sha256(_fetch_once(jars, each))}\n" for each in resolve()))


def _download(jars: Path, pins: list[Pin]) -> None:
    with _alone_in(jars), ThreadPoolExecutor(DOWNLOADS_MAX) as workers:
        given_up = threading.Event()
        try:
            for _ in workers.map(lambda pin: _fetch(jars, pin, given_up), pins):
                pass
        except BaseException:
            given_up.set()
            raise


def _fetch(jars: Path, pin: Pin, given_up: threading.Event) -> None:
    reason: object = "its contents are not the pinned ones"
    for _ in range(ATTEMPTS_MAX):
        if given_up.is_set() or intact(jars, pin):
            return
        (jars / pin.path).unlink(missing_ok=True)
        try:
            _fetch_once(jars, pin.coordinate)
        except (OSError, RuntimeError) as failure:
            reason = type(failure).__name__
    if not intact(jars, pin):
        raise LocalStackError(
            Failure.DOWNLOAD_FAILED,
            f"{pin.coordinate} cannot be downloaded from Maven's repository ({reason}): "
            "check the network and proxy, then start again",
        )


def _fetch_once(jars: Path, coordinate: str) -> Path:
    """Download one jar. Raises the OSErrors of `requests` and jgo's RuntimeError (not found)."""
    from jgo.config import GlobalSettings  # noqa: PLC0415  as above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    # a company mirror in jgo's own settings takes precedence
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    group, artifact, version = coordinate.split(":")
    context = MavenContext(repo_cache=jars, remote_repos=repositories)
    return context.project(group, artifact).at_version(version).artifact().resolve()


@contextmanager
def _alone_in(jars: Path) -> Iterator[None]:
    """Keep two first starts from writing the same jar at once."""
    try:
        jars.mkdir(parents=True, exist_ok=True)
        lock = (jars / "lock").open("w")
    except OSError as refusal:
        raise LocalStackError(
            Failure.FOLDER_NOT_WRITABLE,
            f"{jars} cannot be written ({refusal.strerror}): make it writable or set XDG_CACHE_HOME",
        ) from refusal
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(jar: Path) -> str:
    with jar.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
