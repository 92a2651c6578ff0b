"""`python -m connectors.apaleo`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from connectors.apaleo.app import SERVICE, create_app
from connectors.apaleo.settings import ApaleoSettings

settings = load(ApaleoSettings)
serve(create_app(settings), SERVICE, settings)
