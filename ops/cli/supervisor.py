"""The local stack, started and supervised by this process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import typer

from chassis.messaging.topology import TopologyMismatchError
from deploy.local.observers import GRAFANA, GRAFANA_USER, TRACES, DockerMissingError, fetch_images, require_docker
from deploy.local.process import PartError
from deploy.local.processes import OPERATORS_PAGE, SERVICES
from deploy.local.stack import LocalStack, StackInUseError
from ops.cli.console import console, stderr
from ops.cli.tokens import Role, today
from ops.demo import run_demo


def run(data_dir: Path, *, observe: bool = False) -> None:
    """Start the stack, print how to try it, and supervise it until a signal or the death of a part.

    With `observe`, nothing is started unless Docker answers and has every image: who asks for the dashboards wants to
    know at once that there are none.
    """
    services = (*SERVICES, OPERATORS_PAGE)
    with explained(), stopping_on_signals():
        if observe:
            require_docker()
            fetch_images(lambda line: console.print(f"  {line}", markup=False, soft_wrap=True))
        with LocalStack(data_dir, services=services, observe=observe) as stack:
            show_how_to_try(stack)
            stack.watch()


def run_demo_on(data_dir: Path) -> int:
    """Play the demo on a separate stack. Returns the exit code."""
    with explained(), stopping_on_signals(code=130), LocalStack(data_dir) as stack:
        return run_demo(stack)


def show_how_to_try(stack: LocalStack) -> None:
    signed = stack.mint_token("guest-1", "alpenhof", "R-1001", today(), today() + timedelta(days=7))
    console.print("\nA guest's page, with the sandbox's cards (4242 4242 4242 4242 pays):")
    console.print(f"  {stack.gateway_url}/#token={signed}", soft_wrap=True, markup=False)
    manager = stack.mint_token("lena", "alpenhof", "", today(), today(), role=Role.MANAGER)
    console.print(
        "\nThe desk of the hotel's staff, as a manager (other roles: `bellhop token --role reception`):", markup=False
    )
    console.print(f"  {stack.gateway_url}/desk#token={manager}", soft_wrap=True, markup=False)
    operator = stack.mint_token("operator-1", "", "", today(), today(), role=Role.EDITOR)
    console.print("\nThe operator's page: queues, dead letters, replays, an order's trace:", markup=False)
    console.print(f"  {stack.service_urls[OPERATORS_PAGE.name]}/ops#token={operator}", soft_wrap=True, markup=False)
    console.print(f"\nThe API and its documentation: [bold]{stack.gateway_url}/docs[/]")
    console.print("A guest's token (valid 12 h; more with `bellhop token`), and a line to try:\n", markup=False)
    console.print(f"  TOKEN={signed}", soft_wrap=True, markup=False)
    curl = f'  curl -H "Authorization: Bearer $TOKEN" {stack.gateway_url}/v1/extras'
    console.print(curl, soft_wrap=True, markup=False)
    if (observers := stack.observers) is not None:
        console.print(
            f"\nThe dashboards (user {GRAFANA_USER}, password {observers.grafana_password}), and the traces of orders:",
            markup=False,
            soft_wrap=True,
        )
        console.print(
            f"  {observers.urls[GRAFANA]}/dashboards\n  {observers.urls[TRACES]}", soft_wrap=True, markup=False
        )
    console.print(f"\nLogs are in {stack.data_dir / 'logs'}. Ctrl-C stops everything.", soft_wrap=True, markup=False)


@contextmanager
def explained() -> Iterator[None]:
    """Print the message of a failed part instead of a traceback."""
    try:
        yield
    except StackInUseError as taken:
        stderr.print(str(taken), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except DockerMissingError as missing:
        stderr.print(str(missing), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except PartError as failed:
        stderr.print(str(failed), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except TopologyMismatchError as older:
        advice = "If this is a local stack from an older version and its data may go, delete its folder (.bellhop)."
        stderr.print(f"{older}\n{advice}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def stopping_on_signals(code: int = 0) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all stop the stack in order; `code` is the exit code then."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
