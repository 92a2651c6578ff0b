"""`python -m notifications`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from notifications.app import create_app
from notifications.settings import NotificationSettings
from notifications.wiring import SERVICE

settings = load(NotificationSettings)
serve(create_app(settings), SERVICE, settings)
