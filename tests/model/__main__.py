"""`python -m tests.model`: explore what CI does, and say what was seen. BELLHOP_MODEL_DEPTH=deep goes further."""

import os
import sys

from tests.model.bounds import DEEP, SHORT
from tests.model.explore import explore

broken = 0
for bounds in DEEP if os.environ.get("BELLHOP_MODEL_DEPTH") == "deep" else SHORT:
    found = explore(bounds)
    for line in (found, *found.violations.values()):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    broken += len(found.violations)
sys.exit(1 if broken else 0)
