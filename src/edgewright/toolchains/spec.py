"""What a vendor's toolchain is made of: the `toolchain.toml` of the vendor's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from edgewright.errors import ToolchainError, UserError
from edgewright.files import digest_of, file_digest
from edgewright.toml_io import TOMLDecodeError, loads_toml

SPEC_FILE = "toolchain.toml"
STUBS = "stubs"
_COMMON = "common"


def _folder_name(text: str) -> str:
    """Names become folders of the cache: nothing that leaves it may be one."""
    if not text or text.startswith(".") or any(letter in text for letter in "/\\\0") or text != text.strip():
        raise ValueError(f"{text!r} cannot be the name of a folder")
    return text


FolderName = Annotated[str, AfterValidator(_folder_name)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class VersionSpec(_Table):
    """One version of a toolchain.

    Attributes:
        python: minor versions that it runs on ("3.11"), best first.
        no_deps: requirements that are installed without what they ask for.
        requirements: requirements that are installed with what they ask for; all of them pinned.
        stubs: packages or modules of the vendor's folder `stubs/VERSION` or `stubs/common` that are copied beside the
            installed ones: our own few lines in place of a large package of which only names are used.
        system_glibc: set aside a glibc that the toolchain ships where the system's is as new or newer.
        disk_mb: what the finished environment takes.
        probe: Python code that must run in the finished environment.
        probe_seconds: the longest that the probe may take.
    """

    python: Annotated[list[Annotated[str, Field(pattern=r"^3\.\d+$")]], Field(min_length=1)]
    no_deps: list[str] = []
    requirements: list[str] = []
    stubs: list[FolderName] = []
    system_glibc: bool = False
    disk_mb: Annotated[int, Field(ge=0)]
    probe: str
    probe_seconds: Annotated[float, Field(gt=0)] = 120.0


class ToolchainSpec(_Table):
    """A vendor's toolchain with all versions that Edgewright knows how to install.

    Attributes:
        vendor: the first word of its targets ("rockchip").
        title: what people call the toolchain.
        default: the version that is used where none is named.
        versions: by version.
        folder: where `stubs` lies; None: there are none.
    """

    vendor: FolderName
    title: str
    default: str
    versions: Annotated[dict[FolderName, VersionSpec], Field(min_length=1)]
    folder: Annotated[Path | None, Field(strict=False)] = None

    def model_post_init(self, _context: Any, /) -> None:
        """Refuse a default that is no version."""
        if self.default not in self.versions:
            raise ValueError(f"default version {self.default!r} is not among {', '.join(self.versions)}")

    def version_name(self, version: str | None) -> str:
        """`version`, or the default; both exist.

        Raises:
            UserError: Edgewright does not know this version.
        """
        name = self.default if version is None else version
        if name not in self.versions:
            raise UserError(
                f"{self.title} {name} is not a version that Edgewright can install",
                todo=f"known: {', '.join(f'{self.vendor}=={known}' for known in self.versions)}",
            )
        return name

    def stub_paths(self, version: str) -> dict[str, Path]:
        """Where each stub of a version lies, by its name in `site-packages`.

        Raises:
            ToolchainError: the vendor's folder does not hold it.
        """
        found: dict[str, Path] = {}
        for name in self.versions[version].stubs:
            places = [self.folder / STUBS / which / name for which in (version, _COMMON)] if self.folder else []
            there = next((place for place in places if place.exists()), None)
            if there is None:
                raise ToolchainError(
                    f"the stub {name!r} of {self.vendor} {version} is missing",
                    where=", ".join(map(str, places)) or "no folder",
                    todo="install Edgewright again",
                )
            found[name] = there
        return found

    def digest(self, version: str) -> str:
        """SHA-256 over all that decides what is installed: the version's table and the bytes of its stubs."""
        stubs = {
            f"{name}/{path.relative_to(place).as_posix()}": file_digest(path)
            for name, place in self.stub_paths(version).items()
            for path in ([place] if place.is_file() else sorted(place.rglob("*.py")))
        }
        table = self.versions[version].model_dump(exclude={"disk_mb", "probe_seconds"})
        return digest_of({"vendor": self.vendor, "version": version, "table": table, "stubs": stubs})


def load_spec(text: str, folder: Path | None = None) -> ToolchainSpec:
    """A spec from the text of a `toolchain.toml`.

    Args:
        folder: the folder that the file lies in; stubs are looked for there.

    Raises:
        ToolchainError: the text is not a spec; it is part of Edgewright, so this is not the user's fault.
    """
    try:
        data: Mapping[str, Any] = loads_toml(text)
        return ToolchainSpec.model_validate({**data, "folder": folder})
    except (TOMLDecodeError, ValidationError) as error:
        raise ToolchainError(
            "a toolchain file cannot be understood",
            where=str(folder / SPEC_FILE) if folder else SPEC_FILE,
            why=str(error),
            todo="install Edgewright again, or report this",
        ) from error


def read_spec(folder: Path) -> ToolchainSpec:
    """The spec in a vendor's folder; see `load_spec`."""
    return load_spec((folder / SPEC_FILE).read_text(encoding="utf-8"), folder)
