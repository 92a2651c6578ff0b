"""The HTTP edge shared by the gateway, the operator's page and the services."""
