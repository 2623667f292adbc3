"""Runs code in a vendor's environment to see whether it runs: the probe of a `toolchain.toml`."""

from worker_side import main  # type: ignore[import-not-found]


def probe(arguments):  # type: ignore[no-untyped-def]
    """Run `arguments["code"]`, which comes from the vendor's own folder."""
    exec(compile(arguments["code"], "probe", "exec"), {"__name__": "probe"})  # noqa: S102


main({"probe": probe})
