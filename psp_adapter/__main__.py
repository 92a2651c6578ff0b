"""`python -m psp_adapter`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from psp_adapter.app import SERVICE, create_app
from psp_adapter.settings import AdapterSettings

settings = load(AdapterSettings)
serve(create_app(settings), SERVICE, settings)
