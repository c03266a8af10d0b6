#!/usr/bin/env bash
# Build an image on a base that is named by its digest.
#
#   bash container/build.sh cpu                                      # medft:cpu, for the demo
#   bash container/build.sh cuda --build-arg FLASH_ATTN=2.8.3        # medft:cuda; words go to `docker build`
#   BASE_TAG=nvidia/cuda:12.6.3-devel-ubuntu24.04 bash container/build.sh cuda \
#     --build-arg TORCH_INDEX=ADDRESS        # of the builds for CUDA 12.6
#
# The first build asks the registry which digest the tag has, and writes it into container/bases.lock; all later ones
# take that. Commit the file, and everybody builds on the same base. Remove a line to take up a newer one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=${1:?usage: build.sh cpu|cuda [words for docker build ...]}
shift
case $name in
  cpu) tag=python:3.11-slim ;;
  cuda) tag=nvidia/cuda:13.2.1-devel-ubuntu24.04 ;; # the CUDA that PyPI's torch 2.15 is built for
  *)
    echo "medft: there is no image $name, only cpu and cuda" >&2
    exit 2
    ;;
esac
: "${BASE_TAG:=$tag}" "${LOCK:=container/bases.lock}"

base=
if [[ -f $LOCK ]]; then base=$(grep --max-count=1 --fixed-strings "$BASE_TAG@sha256:" "$LOCK" || true); fi
if [[ -z $base ]]; then
  digest=$(docker buildx imagetools inspect "$BASE_TAG" | grep --only-matching --max-count=1 'sha256:[0-9a-f]\{64\}' || true)
  if [[ -z $digest ]]; then
    echo "medft: the registry tells no digest of $BASE_TAG" >&2
    exit 1
  fi
  base=$BASE_TAG@$digest
  echo "$base" >>"$LOCK"
  echo "medft: $base is now in $LOCK; commit it" >&2
fi
exec docker build --file "container/$name.Dockerfile" --build-arg "BASE=$base" --tag "medft:$name" "$@" .
