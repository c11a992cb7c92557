"""`backstory run`: the engine in the foreground."""

from pathlib import Path

from engine.cli.site import SiteOption, load_config


def run(site: SiteOption = Path()) -> int:
    """Run the engine for a site, until Ctrl-C or SIGTERM.

    It starts the network process and the worker, starts one again that dies, and stops them in order. The site is
    checked first: with an error in it nothing starts.

    Examples:
      backstory run
      backstory run --site /etc/backstory
    """
    load_config(site)
    from engine.app.supervisor import run as supervise  # noqa: PLC0415 - after the site is known to be one

    return supervise(site)
