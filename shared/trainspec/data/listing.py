"""List everything in a folder or an archive: images, folders, and what is left out and why.

`deploy.recognition` tells images from other files. An unusable image is an error. Files that are not images, hidden
files and files that operating systems make are left out.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from deploy.archives import open_archive
from deploy.encoded import HEAD, format_of
from deploy.recognition import judge, judge_file
from deploy.shell import printable
from deploy.walking import Entry, reason_of_part
from diptych.errors import DataError
from diptych.stopping import until_stopped
from trainspec.data.dataset import LeftOut

NAMED = 3  # files that are named for each reason
NO_IMAGE = "not an image"
NOT_LISTED = "not in the manifest"


@dataclass
class Listing:
    """Images and folders, as paths inside the set; files left out, by reason; `faults`: messages on unusable files."""

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(reason, len(names), tuple(sorted(names)[:NAMED]))
            for reason, names in sorted(self._left_out.items())
        )

    def leave_out(self, name: str, reason: str) -> None:
        names = self._left_out.setdefault(reason, [])
        if name not in names[-1:]:  # a hidden folder in an archive comes again with each of its files
            names.append(name)

    def check(self) -> None:
        """Raise `DataError` if there are faults. Its message has the first one and the number of the others."""
        if self.faults:
            first, *others = self.faults
            files = "file" if len(others) == 1 else "files"
            raise DataError(first + (f"; {len(others):,} more {files} cannot be used" if others else ""))


def list_folder(path: Path, entries: list[Entry]) -> Listing:
    """List a folder from its `entries` (`deploy.walking.walk`). Raises `DataError` for unusable files."""
    listing = Listing()
    for entry in until_stopped(entries):
        if entry.reason:
            listing.leave_out(entry.name, entry.reason)
        elif entry.is_folder:
            listing.folders.append(entry.name)
        else:
            _add(listing, entry.name, judge_file(path, entry.name))
    listing.check()
    return listing


def not_listed(entries: Iterable[Entry], listed: Container[str]) -> tuple[LeftOut, ...]:
    """What a manifest leaves out of a folder with these `entries`. `listed` has the paths of the manifest's files.

    A file that is not listed cannot spoil the set, so it is never opened.
    """
    listing = Listing()
    for entry in until_stopped(entries):
        if entry.reason:
            listing.leave_out(entry.name, entry.reason)
        elif not entry.is_folder and entry.name not in listed:
            listing.leave_out(entry.name, NOT_LISTED)
    return listing.left_out


def list_archive(path: Path) -> Listing:
    """List an archive. Raises `DataError` for a damaged archive and for unusable files."""
    listing = Listing()
    seen: set[str] = set()
    with open_archive(path) as members:
        for member in until_stopped(members):
            name = member_name(member.name)
            if found := _reason(PurePosixPath(name)):
                listing.leave_out(*found)
            elif member.is_folder:
                listing.folders.append(name)
            elif name in seen:
                raise DataError(f"{path}: two files are named {printable(name)}; remove one")
            else:
                seen.add(name)
                _add(listing, name, judge(f"{path}: ", name, format_of(member.read(HEAD))))
    listing.check()
    return listing


def member_name(name: str) -> str:
    """The member's name without `./` and double slashes."""
    return PurePosixPath(name).as_posix()


def _reason(name: PurePosixPath) -> tuple[str, str] | None:
    """`(path, reason)` of the outermost hidden or system part of `name`, which is left out whole; None without one."""
    for depth, part in enumerate(name.parts, 1):
        if reason := reason_of_part(part):
            return PurePosixPath(*name.parts[:depth]).as_posix(), reason
    return None


def _add(listing: Listing, name: str, judged: tuple[bool, str]) -> None:
    is_image, fault = judged
    if is_image:
        listing.images.append(name)
    elif fault:
        listing.faults.append(fault)
    else:
        listing.leave_out(name, NO_IMAGE)
