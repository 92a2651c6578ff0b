"""`python -m ops.page`"""

from chassis.service import serve
from chassis.settings import load
from ops.page.app import SERVICE, create_app
from ops.page.settings import PageSettings

settings = load(PageSettings)
serve(create_app(settings), SERVICE, settings)
