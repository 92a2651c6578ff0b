"""One process of the floor: `python -m benchmarks.floor gateway`."""

import os
import sys

import uvicorn

from benchmarks.floor.gateway import Gateway
from benchmarks.floor.services import Orders, Payments, Psp

_PROCESSES: dict[str, type[Gateway | Orders | Payments | Psp]] = {
    "gateway": Gateway,
    "extras_service": Orders,
    "payment_service": Payments,
    "psp_adapter": Psp,
}


def main() -> None:
    process = _PROCESSES[sys.argv[1]]()
    port = int(os.environ["BELLHOP_HTTP_PORT"])
    uvicorn.run(process.app(), host=os.environ["FLOOR_HOST"], port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
