"""`python -m gateway`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from gateway.app import SERVICE, create_app
from gateway.settings import GatewaySettings

settings = load(GatewaySettings)
app = create_app(settings)
serve(app, SERVICE, settings, on_exit=app.state.live.close)
