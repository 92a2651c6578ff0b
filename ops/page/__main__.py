"""`python -m ops.page`"""

from chassis.runtime.settings import load
from chassis.runtime.startup import serve
from ops.page.app import SERVICE, create_app
from ops.page.settings import PageSettings

settings = load(PageSettings)
serve(create_app(settings), SERVICE, settings)
