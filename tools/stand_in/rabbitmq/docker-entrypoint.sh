#!/bin/sh
# As the entry point of RabbitMQ's own image: the server runs as the user rabbitmq, everything else as it was asked for.
set -eu
case $1 in
rabbitmq*) ;;
*) exec "$@" ;;
esac
export HOME=/var/lib/rabbitmq RUNNING_UNDER_SYSTEMD=true RABBITMQ_LOGS=-
if [ "$(id -u)" != 0 ]; then
  exec "/usr/lib/rabbitmq/bin/$1"
fi
find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq: {} +
exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "/usr/lib/rabbitmq/bin/$1"
