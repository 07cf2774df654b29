#!/bin/sh
# Bytecode without time stamps, since it cannot be written at run time; then one time for every file.
set -eu
packages=/opt/wgan/lib/python3.11/site-packages
compile() { python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$@"; }
compile "$packages/wgan" "$packages/tasks" "$packages/flows"
# torch carries files in the syntax of newer Pythons, which this one neither compiles nor imports.
compile "$packages" || echo "The files named above are left without bytecode."
find /opt/wgan -depth -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
