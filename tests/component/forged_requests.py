"""What ten thousand forged requests leave behind, measured in a process that does nothing else.

`python -m tests.component.forged_requests` prints it as JSON. In the suite's own process other systems go on, and their
memory comes and goes.
"""

import asyncio
import gc
import json
import time
import tracemalloc

from structlog.testing import capture_logs

from tests.component.test_webhook_under_attack import Door

ROUNDS, REQUESTS = 3, 3_000
WARM_UP = 1_000


async def main() -> None:
    door = Door()
    forged = f"t={int(time.time())},v1={'0' * 64}"
    body = [b"x" * 1024]

    async def knock(times: int) -> None:
        for _ in range(times):
            assert await door.knock(body, forged) == 400
            await asyncio.sleep(0)  # a turn of the loop, as a server has between two requests

    def remembered() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    async with door.bench.running():
        with capture_logs() as lines:
            await knock(WARM_UP)
            held, spent = [remembered()], 0.0
            for _ in range(ROUNDS):
                began = time.process_time()
                await knock(REQUESTS)
                spent += time.process_time() - began
                held.append(remembered())
    left_behind = {
        "published": len(door.bench.published),
        "refused": door.bench.handled("webhook", "refused"),
        "lines": len(lines),
        "held": held,
        "seconds": spent,
    }
    print(json.dumps(left_behind))  # noqa: T201 - the command's result


if __name__ == "__main__":
    asyncio.run(main())
