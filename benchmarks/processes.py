"""What the processes of a stack have used: processor time, memory, handles."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from deploy.local.process import PartError
from deploy.local.stack import LocalStack

SERVICES = ("gateway", "extras_service", "payment_service", "psp_adapter")
_NICE = 5
_GROUNDS = ("broker", "store", "sandbox")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one part, its children included."""

    processor_s: float
    memory_mib: float
    handles: int
    threads: int


def usage(stack: LocalStack) -> dict[str, Usage]:
    """By part, and of this process as `driver`. Parts that are stopped are left out."""
    return {"driver": _of([psutil.Process()])} | {
        name: _of(_tree(stack.part(name).pid)) for name in (*_GROUNDS, *stack.service_urls) if _is_running(stack, name)
    }


def processor_seconds(stack: LocalStack) -> dict[str, float]:
    """Comparable even while something else keeps the machine busy."""
    return {name: used.processor_s for name, used in usage(stack).items()}


def sums(seconds: Mapping[str, float]) -> dict[str, float]:
    """The four services together, and everything but the driver."""
    return {
        "services": sum(seconds.get(name, 0.0) for name in SERVICES),
        "whole": sum(spent for name, spent in seconds.items() if name != "driver"),
    }


def give_way(stack: LocalStack) -> None:
    """Let the stack's processes give way to the driver's, which would otherwise be what is overloaded."""
    for name in (*_GROUNDS, *stack.service_urls):
        for process in _tree(stack.part(name).pid):
            process.nice(_NICE)


def _is_running(stack: LocalStack, name: str) -> bool:
    try:
        return stack.part(name).pid > 0 and stack.part(name).exit_code is None
    except PartError:  # stopped by a benchmark
        return False


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _of(processes: list[psutil.Process]) -> Usage:
    processor = memory = 0.0
    handles = threads = 0
    for process in processes:
        with process.oneshot():
            processor += sum(process.cpu_times()[:2])
            memory += process.memory_info().rss / 2**20
            handles += process.num_fds()
            threads += process.num_threads()
    return Usage(processor, memory, handles, threads)
