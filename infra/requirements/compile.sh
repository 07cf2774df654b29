#!/bin/sh
# Pin and hash what the images install, as constraints.txt says: sh infra/requirements/compile.sh, with pip-tools
# installed in an environment of its own (pip install pip-tools). Resolving `trainer` downloads torch once.
set -eu
cd "$(dirname "$0")"
grep -v '^#' ../../constraints.txt > /tmp/wgan-constraints.txt
compile() {
    pip-compile --quiet --generate-hashes --strip-extras --no-header --no-annotate --no-emit-index-url \
        --no-emit-find-links --no-emit-trusted-host --no-emit-options --constraint /tmp/wgan-constraints.txt "$@"
}
compile --allow-unsafe --output-file build.txt build.in
compile --extra serve --extra telemetry --output-file serving.txt ../../pyproject.toml
compile --extra pipeline --extra telemetry --output-file services.txt ../../pyproject.toml services.in
compile --extra scale --extra telemetry --unsafe-package torch --unsafe-package torchvision --output-file trainer.txt \
    ../../pyproject.toml trainer.in
# What torch brings with it comes from torch's index, of the kind that is wanted there.
awk '/^#/ { exit } /^[a-z]/ { skip = /^(nvidia-|cuda-|triton==)/ } !skip' trainer.txt > trainer.tmp
mv trainer.tmp trainer.txt
rm -f /tmp/wgan-constraints.txt
