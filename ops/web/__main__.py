"""`python -m ops.web`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from ops.web.app import SERVICE, create_app
from ops.web.settings import PageSettings

settings = load(PageSettings)
serve(create_app(settings), SERVICE, settings)
