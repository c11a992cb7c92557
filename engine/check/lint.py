"""Lint a site: every mistake with its file, line and column, and what was meant."""

from pathlib import Path

from engine.channel.site import Finding, load_site


def lint(folder: Path) -> list[Finding]:
    """All findings of a site, in order of file and line; a site without one can run.

    TEST001 names a channel without tests, TEST002 a test that cannot be read.
    """
    from engine.check.channel_tests import parse_tests  # noqa: PLC0415 - tests are read after the site is whole

    loaded = load_site(folder)
    if loaded.site is None:
        return list(loaded.findings)
    found: list[Finding] = []
    for channel in loaded.site.channels:
        file = f"channels/{channel.channel}.yaml"
        if not channel.tests:
            found.append(Finding(file, 1, 1, "TEST001", "the channel has no tests"))
        found += parse_tests(channel, file)[1]
    return sorted(found)
