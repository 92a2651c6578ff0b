"""`python -m payment_service`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from payment_service.app import create_app
from payment_service.settings import PaymentSettings
from payment_service.wiring import SERVICE

settings = load(PaymentSettings)
serve(create_app(settings), SERVICE, settings)
