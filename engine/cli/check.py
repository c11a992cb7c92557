"""`backstory check`: lint a site."""

from pathlib import Path

import typer

from engine.check.lint import lint
from engine.cli.site import SiteOption


def check(site: SiteOption = Path()) -> int:
    """Lint config.yaml, channels and mappings: file:line:column CODE what is wrong; did you mean ...?

    Leaves with 1 where there is a finding; a site without one can run.

    Examples:
      backstory check
      backstory check --site /etc/backstory
    """
    findings = lint(site)
    for finding in findings:
        typer.echo(str(finding))
    typer.echo(f"{len(findings)} findings" if findings else "no findings", err=True)
    return 1 if findings else 0
