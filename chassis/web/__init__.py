"""HTTP that the gateway, the operator's page and the services share."""
