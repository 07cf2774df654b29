#!/bin/sh
# Bytecode without time stamps, since it cannot be written at run time; then one time for every file.
set -eu
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/wgan/lib/python3.11/site-packages
find /opt/wgan -depth -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
