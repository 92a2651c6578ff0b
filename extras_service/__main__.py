"""`python -m extras_service`"""

from chassis.service import serve
from chassis.settings import load
from extras_service.app import SERVICE, create_app
from extras_service.settings import ExtrasSettings

settings = load(ExtrasSettings)
serve(create_app(settings), SERVICE, settings)
