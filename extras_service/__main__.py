"""`python -m extras_service`"""

import sys

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from extras_service.app import create_app
from extras_service.catalogue.file import CatalogueError
from extras_service.settings import ExtrasSettings
from extras_service.wiring import SERVICE

settings = load(ExtrasSettings)
try:
    app = create_app(settings)
except CatalogueError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(2) from None
serve(app, SERVICE, settings)
