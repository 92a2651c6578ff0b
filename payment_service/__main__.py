"""`python -m payment_service`"""

from chassis.service import serve
from chassis.settings import load
from payment_service.app import SERVICE, create_app
from payment_service.settings import PaymentSettings

settings = load(PaymentSettings)
serve(create_app(settings), SERVICE, settings)
