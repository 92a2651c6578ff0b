"""How long a service takes from its start until it is ready, while everything that it needs runs."""

from benchmarks.figures import Measured
from benchmarks.processes import SERVICES, usage
from deploy.local.stack import LocalStack


def start_up(stack: LocalStack, measured: Measured, repetitions: int) -> None:
    for _ in range(repetitions):
        for name in SERVICES:
            stack.part(name).stop()
            stack.part(name).start()
            measured.note(f"{name}: to ready", "s", stack.part(name).seconds)
            measured.note(f"{name}: processor", "s", usage(stack)[name].processor_s)
            measured.note(f"{name}: memory", "MiB", usage(stack)[name].memory_mib)
