#!/bin/sh
# SeaweedFS in one process, of which only the S3 port listens beyond the container; without keys it would let all in.
set -eu
umask 077
cat > /tmp/s3.json <<CONF
{"identities": [
  {"name": "admin",
   "credentials": [{"accessKey": "$S3_ADMIN_ACCESS_KEY_ID", "secretKey": "$S3_ADMIN_SECRET_ACCESS_KEY"}],
   "actions": ["Admin:$BUCKET"]},
  {"name": "pipeline",
   "credentials": [{"accessKey": "$S3_PIPELINE_ACCESS_KEY_ID", "secretKey": "$S3_PIPELINE_SECRET_ACCESS_KEY"}],
   "actions": ["Read:$BUCKET", "Write:$BUCKET", "List:$BUCKET", "Tagging:$BUCKET"]},
  {"name": "mlflow",
   "credentials": [{"accessKey": "$S3_MLFLOW_ACCESS_KEY_ID", "secretKey": "$S3_MLFLOW_SECRET_ACCESS_KEY"}],
   "actions": ["Read:$BUCKET/mlflow/*", "Write:$BUCKET/mlflow/*", "List:$BUCKET"]}
]}
CONF
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.volumeSizeLimitMB=1024 -volume.max=0 \
    -s3 -s3.port=8333 -s3.ip.bind=0.0.0.0 -s3.config=/tmp/s3.json
