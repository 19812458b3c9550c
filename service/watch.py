"""A source that is kept in step with: new, changed, moved and deleted photos, as they come.

A change only wakes: what is to be done is found by looking at the whole source again, at each file's
size and time. So nothing is missed that happened while nobody listened, and a folder renamed or
thousands of files at once are nothing special. The catalog is the ledger of what was taken in before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import watchfiles

from service.errors import (
    DatabaseUnavailable,
    ImportLost,
    PruneRefused,
    SourceInvalid,
    StorageUnavailable,
)
from service.extent import Gone
from service.ingest import ingest
from service.intake import Labels
from service.processes import Stop
from service.sources import Item, folder_of, read_source
from service.studio import Studio
from service.summary import Summary

QUIET_SECONDS = 2.0  # without a change, after which a file or a folder counts as written
BURST_SECONDS = 30.0  # of changes without a pause, after which those files that rest are taken in
TICK_SECONDS = 3.0  # between two looks whether something was left
LONG_AGO = 3600.0  # by a file's own time, after which nobody writes it, whatever clock that was
RESCAN_SECONDS = 60.0  # between two looks where no change was told: network folders tell none

Key = tuple[str, str | None]
"""A photo of the source: its file and its label."""

Signature = tuple[int, int, int]
"""A file's size, and the times of change of its content and of its permissions, bytes and nanoseconds."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a source is kept in step with; see `ingest`. prune: remove garments whose photo is gone."""

    labels: Labels
    image_root: Path | None
    batch_size: int
    prune: bool = False
    more_than_half: bool = False


@dataclass(slots=True)
class Watcher:
    """Takes a source in again and again.

    report: called with what each round did, where it did anything. say: with what is in the way.
    """

    studio: Studio
    source: Path
    how: Keeping
    report: Callable[[Summary], None]
    say: Callable[[str], None]
    _settled: dict[Key, Signature] = field(default_factory=dict)
    _lately: dict[Key, tuple[Signature, float]] = field(default_factory=dict)
    _lost: bool = True  # photos may have gone since the last time that this was looked into
    _said: str = ""

    def run(self, stop: Stop) -> None:
        """Until `stop` is set. A source, a disk or a database that goes away is waited for; at the start it
        raises `SourceInvalid`, `StorageUnavailable` or `DatabaseUnavailable`."""
        waiting, looked = self.round(), 0.0
        while not stop.is_set():
            watched = self._identity()
            for changed in self._wake_ups(stop):
                if not (changed or waiting or time.monotonic() - looked > RESCAN_SECONDS):
                    continue
                try:
                    waiting, looked = self.round(), time.monotonic()
                except (
                    SourceInvalid,
                    DatabaseUnavailable,
                    StorageUnavailable,
                    ImportLost,
                ) as error:
                    self._say(error.detail)
                    waiting = True
                if self._identity() != watched:  # another folder of that name, or none
                    break

    def round(self) -> bool:
        """Look at the source once and take in what is new; whether something must wait."""
        settled, waits = self._look()
        fresh = {key for key, signature in settled.items() if self._settled.get(key) != signature}
        self._lost |= not self._settled.keys() <= settled.keys()
        if fresh or (self._lost and self.how.prune and not waits):
            summary = ingest(
                self.studio,
                self.source,
                labels=self.how.labels,
                image_root=self.how.image_root,
                batch_size=self.how.batch_size,
                wanted=lambda item: _key(item) in fresh,
                # What is being written may be what is missed elsewhere
                prune=lambda gone: [] if waits else self._prune(gone),
            )
            if summary.seen or summary.pruned:
                self.report(summary)
        self._settled = settled
        self._lost &= waits
        return waits

    def _look(self) -> tuple[dict[Key, Signature], bool]:
        """The files that rest, and whether there are others, which are being written."""
        settled, lately = {}, {}
        root = self.how.image_root
        for item in read_source(self.source, labels=self.studio.model.labels, image_root=root):
            key, signature, now = _key(item), _signature(item), time.monotonic()
            if abs(time.time() - signature[1] / 1e9) < LONG_AGO:
                # The file's time is of its server's clock: for how long it has been so is by ours
                seen = self._lately.get(key)
                lately[key] = seen if seen and seen[0] == signature else (signature, now)
                if now - lately[key][1] < QUIET_SECONDS:
                    continue
            settled[key] = signature
        self._lately = lately
        return settled, not lately.keys() <= settled.keys()

    def _prune(self, gone: Gone) -> list[str]:
        if not self.how.prune or not gone.garments:
            return []
        try:
            return gone.prune(more_than_half=self.how.more_than_half)
        except PruneRefused as refusal:
            self._say(refusal.detail)
            return []

    def _wake_ups(self, stop: Stop) -> Iterator[bool]:
        """Whether something changed: at once where it did, and every few seconds anyway."""
        places = {os.path.abspath(self._folder()), os.path.abspath(self.source)}
        try:
            for changes in watchfiles.watch(
                *(place for place in places if os.path.exists(place)),
                watch_filter=lambda _, path: not os.path.basename(path).startswith("."),
                step=int(QUIET_SECONDS * 1000),
                debounce=int(BURST_SECONDS * 1000),
                rust_timeout=int(TICK_SECONDS * 1000),
                yield_on_timeout=True,
                stop_event=stop,
                ignore_permission_denied=True,
            ):
                yield bool(changes)
        except (OSError, RuntimeError) as error:  # the system watches no more folders
            self._say(f"Changes are not told ({error}); looking every {RESCAN_SECONDS:.0f} s.")
        while not stop.wait(TICK_SECONDS):
            yield False

    def _folder(self) -> Path:
        """Where the photos lie; the source's own place where that cannot be told now."""
        try:
            return Path(str(folder_of(self.source, self.how.image_root)))
        except SourceInvalid:
            return self.source

    def _identity(self) -> tuple[int, int] | None:
        """The folder itself, whatever its name."""
        try:
            found = os.stat(self._folder())
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _say(self, what: str) -> None:
        """Once, however often it is so."""
        if what != self._said:
            self.say(what)
        self._said = what


def _key(item: Item) -> Key:
    return str(item.file), item.label


def _signature(item: Item) -> Signature:
    try:
        found = os.stat(str(item.file))
    except (OSError, ValueError):
        return -1, 0, 0  # not there yet, which the import says
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
