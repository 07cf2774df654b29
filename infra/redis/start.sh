#!/bin/sh
# The password reaches the server through a file for its own eyes, not through its arguments.
set -eu
umask 077
cat > /tmp/redis.conf <<CONF
bind * -::*
dir /data
appendonly yes
requirepass $REDIS_PASSWORD
CONF
exec redis-server /tmp/redis.conf
