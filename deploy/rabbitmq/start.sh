#!/bin/bash
# Puts the accounts' passwords into the definitions, and starts RabbitMQ as its image would.
# Usage: start.sh TEMPLATE TARGET, with each password in the environment.
set -euo pipefail
umask 077

definitions=$(<"$1")
for name in OPERATOR GATEWAY EXTRAS_SERVICE PAYMENT_SERVICE PSP_ADAPTER NOTIFICATIONS WEBHOOKS; do
  variable=${name}_PASSWORD
  password=${!variable:-}
  if [[ ! $password =~ ^[A-Za-z0-9]+$ ]]; then
    echo "RABBITMQ: the password of ${name,,} is missing, or has other characters than letters and digits" >&2
    exit 2
  fi
  definitions=${definitions//"@${variable}@"/"$password"}
done
printf '%s\n' "$definitions" >"$2"
if [[ $(id -u) == 0 ]] && id rabbitmq >/dev/null 2>&1; then
  chown rabbitmq "$2" # who the image runs the server as
fi
unset OPERATOR_PASSWORD GATEWAY_PASSWORD EXTRAS_SERVICE_PASSWORD PAYMENT_SERVICE_PASSWORD PSP_ADAPTER_PASSWORD NOTIFICATIONS_PASSWORD WEBHOOKS_PASSWORD
exec docker-entrypoint.sh rabbitmq-server
