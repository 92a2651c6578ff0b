"""`python -m psp_adapter`"""

from chassis.service import serve
from chassis.settings import load
from psp_adapter.app import SERVICE, create_app
from psp_adapter.settings import AdapterSettings

settings = load(AdapterSettings)
serve(create_app(settings), SERVICE, settings)
