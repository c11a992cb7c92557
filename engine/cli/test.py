"""`backstory test`: run the tests inside the channels."""

from pathlib import Path

import typer

from engine.channel.site import load_site
from engine.check.channel_tests import run_tests
from engine.cli.site import SiteOption


def test(site: SiteOption = Path()) -> int:
    """Run the tests that stand inside the channels; no server is started.

    Leaves with 1 where a test fails or the site has a finding.

    Examples:
      backstory test
    """
    loaded = load_site(site)
    for finding in loaded.findings:
        typer.echo(str(finding))
    if loaded.site is None:
        return 1
    passed = failed = 0
    for result in run_tests(loaded.site):
        passed, failed = passed + (not result.failures), failed + bool(result.failures)
        if result.failures:
            typer.echo(f"FAILED {result.channel}: {result.test}")
            for line in result.failures:
                typer.echo(f"    {line}")
    typer.echo(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
