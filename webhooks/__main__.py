"""`python -m webhooks`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from webhooks.app import create_app
from webhooks.settings import WebhookSettings
from webhooks.wiring import SERVICE

settings = load(WebhookSettings)
serve(create_app(settings), SERVICE, settings)
