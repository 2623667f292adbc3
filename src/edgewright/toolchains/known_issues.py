"""Known issues: what certain versions of a toolchain get wrong, how it shows, and the cure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgewright.errors import ToolchainError
from edgewright.toml_io import TOMLDecodeError, loads_toml
from edgewright.toolchains.versions import in_range


class KnownIssue(BaseModel):
    """One entry of a vendor's `known_issues.toml`.

    Attributes:
        code: short name, unique in the file.
        versions: of the toolchain (">=1.6,<1.10"); empty: all.
        chips: that it is known on; empty: all.
        families: control families or head families that are hit ("picodet-head"); empty: not bound to one.
        ops: ONNX op types that are hit; empty: not bound to ops.
        precisions: "float", "int8", ...; empty: all.
        what: what is wrong.
        shows: how a user sees it.
        cure: what to do.
        source: where this is known from.
        handled: Edgewright works around it by itself: nothing to tell a user before building.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    versions: str = ""
    chips: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()
    precisions: frozenset[str] = frozenset()
    what: str
    shows: str
    cure: str
    source: Annotated[str, Field(min_length=1)]
    handled: bool = False

    def holds(
        self,
        version: str,
        chip: str | None = None,
        ops: Collection[str] = (),
        family: str | None = None,
        precision: str | None = None,
    ) -> bool:
        """Whether it concerns a build.

        An issue that is bound to families or ops concerns a model that has one of them; what is not given of chip and
        precision rules nothing out.
        """
        if not in_range(version, self.versions):
            return False
        if chip is not None and self.chips and chip not in self.chips:
            return False
        if precision is not None and self.precisions and precision not in self.precisions:
            return False
        bound = bool(self.families or self.ops)
        return not bound or family in self.families or not self.ops.isdisjoint(ops)


def load_issues(text: str, where: str = "known_issues.toml") -> tuple[KnownIssue, ...]:
    """Issues from the text of a vendor's file: tables `[[issue]]` with the fields of `KnownIssue`.

    Raises:
        ToolchainError: the text is not such a file, a range of versions is none, or a code appears twice.
    """
    try:
        tables: list[dict[str, Any]] = loads_toml(text).get("issue", [])
        issues = tuple(KnownIssue.model_validate(table) for table in tables)
    except (TOMLDecodeError, ValidationError) as error:
        raise ToolchainError("a file of known issues cannot be understood", where=where, why=str(error)) from error
    codes = [issue.code for issue in issues]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ToolchainError(f"known issue {twice[0]!r} is there twice", where=where)
    for issue in issues:
        in_range("0", issue.versions)
    return issues


def concerning(
    issues: Iterable[KnownIssue],
    version: str,
    chip: str | None = None,
    ops: Collection[str] = (),
    family: str | None = None,
    precision: str | None = None,
) -> tuple[KnownIssue, ...]:
    """Those that concern a build; see `KnownIssue.holds`."""
    return tuple(issue for issue in issues if issue.holds(version, chip, ops, family, precision))
