"""`flowmend demo`: the story to walk, with a sample service whose password has just changed."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, HostOption, PortOption

if TYPE_CHECKING:
    from flowmend.assembly import Application
    from flowmend.sample.demo import DemoStory, SampleService
    from flowmend.settings import Settings


def demo(
    data: DataOption = None,
    host: HostOption = None,
    port: PortOption = None,
    service_port: Annotated[
        int, typer.Option("--service-port", min=1, max=65535, help="The sample service's port.")
    ] = 8081,
) -> None:
    """Serve as `up` does, beside a sample order service; a run has failed because its password changed."""
    from flowmend.cli.serving import serve
    from flowmend.sample.demo import SampleService
    from flowmend.settings import read_settings

    settings = read_settings(os.environ, data=data, host=host, port=port)
    # The sample answers on loopback, which the address guard refuses unless it is named.
    allowed = settings.allowed_private_hosts | {f"{name}:{service_port}" for name in ("localhost", "127.0.0.1", "::1")}
    service = SampleService(service_port)
    service.start()
    try:
        serve(replace(settings, allowed_private_hosts=allowed), when_ready=lambda it: _tell(it, service))
    finally:
        service.stop()


async def _tell(application: "Application", service: "SampleService") -> None:
    from flowmend.sample.demo import tell_story

    story = await tell_story(application.services, service)
    typer.echo("\n".join(_next_steps(application.services.settings, service.url, story)))


def _next_steps(settings: "Settings", service_url: str, story: "DemoStory | None") -> list[str]:
    from flowmend.sample.demo import NEW_PASSWORD

    if story is None:
        return [
            "",
            "The sample is here already. Its service starts anew each time, with the passwords it began with:",
            f"{service_url}/ shows them. To begin the story anew, stop this, delete the folder {settings.data}, and start again.",
        ]
    return [
        "",
        "A sample flow sent an order, then the password of its order service was changed, and the next run failed:",
        f"  1. Open Home               {settings.base_url}/   (`flowmend login` prints a sign-in link)",
        "  2. Choose Repair           at the connection that needs you",
        f"  3. Enter the new password  {NEW_PASSWORD}   (any other is refused and changes nothing)",
        "  4. See the plan, start it  the failed order goes on where it failed, and arrives once",
        f"  The failed run             {settings.base_url}/runs/{story.failed_run}",
        f"  The order service          {service_url}/",
    ]
