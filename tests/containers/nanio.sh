#!/bin/sh
# nanio knows several keys, but not what each may do: that is SeaweedFS's part and is not tested here.
set -eu
umask 077
for name in ADMIN PIPELINE MLFLOW; do
    eval "id=\$S3_${name}_ACCESS_KEY_ID secret=\$S3_${name}_SECRET_ACCESS_KEY"
    printf '[[users]]\naccess_key = "%s"\nsecret_key = "%s"\n' "$id" "$secret" >> /tmp/nanio.toml
done
exec python -m nanio serve --options /tmp/nanio.toml --data-dir /data --host 0.0.0.0 --port 8333 --no-access-log
