#!/bin/sh
# Images that stand in for RabbitMQ's and MongoDB's where no registry can be reached, made of Debian's packages: the
# newest RabbitMQ that Debian has, and SecantusDB in MongoDB's place. Run as root in the repository, with a Docker engine:
#   sh tools/stand_in_images.sh && RABBITMQ_IMAGE=bellhop-rabbitmq MONGODB_IMAGE=bellhop-store make test
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian http/http/p' | head -n 1)
apt-config dump Acquire >"$folder/apt.conf" # the machine's own proxies

unpack() { # SUITE PACKAGES IMAGE
  mmdebstrap --variant=minbase --aptopt="$folder/apt.conf" --include="$2" "$1" "$folder/root.tar" "$mirror"
  docker import "$folder/root.tar" "$3"
  rm "$folder/root.tar"
}

unpack forky rabbitmq-server bellhop-rabbitmq-base
mkdir "$folder/broker"
cat >"$folder/broker/docker-entrypoint.sh" <<'END'
#!/bin/sh
case $1 in
rabbitmq*) ;;
*) exec "$@" ;;
esac
chown -R rabbitmq: /var/lib/rabbitmq
export HOME=/var/lib/rabbitmq RUNNING_UNDER_SYSTEMD=true RABBITMQ_LOGS=-
exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "/usr/lib/rabbitmq/bin/$1"
END
cat >"$folder/broker/Dockerfile" <<'END'
FROM bellhop-rabbitmq-base
RUN rabbitmq-plugins enable --offline rabbitmq_management && chmod 644 /etc/rabbitmq/enabled_plugins
RUN mkdir -p /etc/rabbitmq/conf.d && printf 'loopback_users = none\n' > /etc/rabbitmq/conf.d/10-defaults.conf
COPY docker-entrypoint.sh /usr/local/bin/
RUN chmod 755 /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/rabbitmq
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["rabbitmq-server"]
END
docker build --tag bellhop-rabbitmq "$folder/broker"

unpack bookworm python3 bellhop-store-base
mkdir "$folder/store"
.venv/bin/uv pip install --quiet --python 3.11 --target "$folder/store/site" \
  "$(sed -n 's/^embedded-store = \["\(.*\)"\]/\1/p' pyproject.toml)"
cat >"$folder/store/Dockerfile" <<'END'
FROM bellhop-store-base
COPY site /opt/store
ENV PYTHONPATH=/opt/store
RUN mkdir -p /data/db && touch /data/secantusd.toml
VOLUME /data/db
CMD ["python3", "/opt/store/bin/secantusd-py", "--config", "/data/secantusd.toml", "--host", "0.0.0.0", \
     "--port", "27017", "--storage-path", "/data/db", "--log-level", "WARNING"]
END
docker build --tag bellhop-store "$folder/store"
